/** Parses the `room` lines of a plan: required and available disk space. */
import type { PlanRoom } from '../domain/node/disk-space';
import { plainText } from '../domain/shared/text';

const MAX_NAMES = 20;

/** The result without these lines, and their content; null when the node reports none. */
export function splitRoom(result: string): { rest: string; room: PlanRoom | null } {
  const lines = result.split('\n');
  const roomLines = lines.filter((line) => line.startsWith('room '));
  const rest = lines.filter((line) => !line.startsWith('room ')).join('\n');
  if (roomLines.length === 0) return { rest, room: null };
  const room: PlanRoom = {
    places: [],
    downloadKib: 0,
    growthKib: 0,
    largestKib: 0,
    kernels: [],
    kernelKib: 0,
    initrdKib: 0,
    oldKernels: [],
  };
  for (const line of roomLines) {
    const [, kind, ...words] = line.split(' ');
    const [first = '', second = '', third, fourth] = words;
    switch (kind) {
      case 'on':
        room.places.push({
          place: plainText(first, 100),
          id: second,
          freeKib: number(third),
          inodes: fourth === undefined || !/^\d+$/.test(fourth) ? null : number(fourth),
        });
        break;
      case 'plan':
        room.downloadKib = number(first);
        room.growthKib = number(second);
        room.largestKib = number(third);
        break;
      case 'kernel':
        if (room.kernels.length < MAX_NAMES) room.kernels.push(plainText(first, 100));
        break;
      case 'boot':
        room.kernelKib = number(first);
        room.initrdKib = number(second);
        break;
      case 'old':
        if (room.oldKernels.length < MAX_NAMES) room.oldKernels.push(plainText(first, 100));
        break;
      default:
    }
  }
  return { rest, room };
}

/** Untrusted input; anything other than a plain number counts as 0. */
function number(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
