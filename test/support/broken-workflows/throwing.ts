/** All workflows of ospatch, except that the code of a cluster fails. */
export * from '../../../src/workflows';

export function cluster(): Promise<never> {
  return Promise.reject(new Error('the code of this version is broken'));
}
