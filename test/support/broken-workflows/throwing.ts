/** All workflows of ospatch, with a cluster workflow that fails. */
export * from '../../../src/workflows';

export function cluster(): Promise<never> {
  return Promise.reject(new Error('the code of this version is broken'));
}
