/** All workflows of ospatch, except that the code of a run fails. */
export * from '../../../src/workflows';

export function run(): Promise<never> {
  return Promise.reject(new Error('the run of this version is broken'));
}
