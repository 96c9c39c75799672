/**
 * Where each member of a run stands, sorted by place. A run of thousands of members is asked for its next step thousands of
 * times within seconds when its history is replayed, so no answer may cost a look at every member.
 */
import type { MemberPlace, MembersByPlace, PlacedMember } from './next-step';

export class RunPlaces {
  private readonly byName: Map<string, { member: PlacedMember; order: number }>;
  /** In the order of the run. */
  private waiting: PlacedMember[];
  private readonly inFlight = new Set<PlacedMember>();
  private readonly lost = new Set<PlacedMember>();

  /** `members`: in the order of the run, all of them waiting. */
  constructor(members: readonly Omit<PlacedMember, 'place'>[]) {
    this.waiting = members.map(({ name, role, zone, stage }) => ({ name, role, zone, stage, place: 'waiting' }));
    this.byName = new Map(this.waiting.map((member, order) => [member.name, { member, order }]));
  }

  /** In the order of the run. */
  get names(): string[] {
    return [...this.byName.keys()];
  }

  get isSettled(): boolean {
    return this.waiting.length + this.inFlight.size + this.lost.size === 0;
  }

  get(name: string): Readonly<PlacedMember> | undefined {
    return this.byName.get(name)?.member;
  }

  /** A member of which nothing but what is in flight is left in the run. */
  addInFlight({ name, role, zone, stage }: Omit<PlacedMember, 'place'>): void {
    const member: PlacedMember = { name, role, zone, stage, place: 'in-flight' };
    this.byName.set(name, { member, order: this.byName.size });
    this.inFlight.add(member);
  }

  /** Does nothing for a name that is not in the run. */
  move(name: string, place: MemberPlace): void {
    const { member, order } = this.byName.get(name) ?? {};
    if (member === undefined || order === undefined || member.place === place) return;
    if (member.place === 'waiting') this.waiting.splice(this.waiting.indexOf(member), 1);
    this.inFlight.delete(member);
    this.lost.delete(member);
    member.place = place;
    if (place === 'in-flight') this.inFlight.add(member);
    else if (place === 'lost') this.lost.add(member);
    else if (place === 'waiting') {
      const next = this.waiting.findIndex(({ name: other }) => (this.byName.get(other)?.order ?? 0) > order);
      this.waiting.splice(next < 0 ? this.waiting.length : next, 0, member);
    }
  }

  /** As they are now; valid until the next move. Those that wait are in the order of the run. */
  byPlace(): MembersByPlace {
    return { waiting: this.waiting, inFlight: [...this.inFlight], lost: [...this.lost] };
  }
}
