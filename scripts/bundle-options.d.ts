import type { BundleOptions } from '@temporalio/worker';

export declare function bundleOptions(
  entry: string,
  sandbox: (name: string) => string,
  interceptors: readonly string[],
): Required<
  Pick<
    BundleOptions,
    | 'workflowsPath'
    | 'payloadConverterPath'
    | 'failureConverterPath'
    | 'workflowInterceptorModules'
    | 'preloadModules'
    | 'webpackConfigHook'
  >
>;
