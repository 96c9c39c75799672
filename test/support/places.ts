import type { MemberPlace } from '../../src/domain/run/next-step';

/** Members of a run as `nextStep` is asked about them. */
export function byPlace<M extends { place: MemberPlace }>(
  members: readonly M[],
): { waiting: M[]; inFlight: M[]; lost: M[] } {
  const at = (wanted: MemberPlace): M[] => members.filter(({ place }) => place === wanted);
  return { waiting: at('waiting'), inFlight: at('in-flight'), lost: at('lost') };
}
