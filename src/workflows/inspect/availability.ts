/** A short-lived workflow that says which nodes are out of service, as a run would see it. Changes nothing. */
import type { AvailabilityInput } from '../run/availability';
import { Availability } from '../run/availability';
import { failOnBadInput } from '../shared/short-lived';

/** Names of nodes; null: not known. */
export async function inspectAvailability(input: AvailabilityInput): Promise<string[] | null> {
  return failOnBadInput(async () => {
    const availability = new Availability(input);
    await availability.look();
    const { unavailable } = availability;
    return unavailable === null ? null : [...unavailable];
  });
}
