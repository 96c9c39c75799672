/** All workflows of ospatch, with a run workflow that fails. */
export * from '../../../src/workflows';

export function run(): Promise<never> {
  return Promise.reject(new Error('the run of this version is broken'));
}
