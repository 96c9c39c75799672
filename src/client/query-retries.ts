/** Queries that are asked again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { UNHANDLED_EVENTS } from '../contract/unhandled-events';
import { isFailedQuery } from './errors';

const PAUSE_MS = 1_000;

/** A worker whose workflow task has been given to another one may fail a query once; the next one is answered. */
const TRIES = 2;

/** The server hands the events over in the meantime, with the next query or before. */
const TRIES_WITH_UNHANDLED_EVENTS = 10;

/** Of all queries of a client, within the deadline of the call. */
export const QUERY_RETRIES: WorkflowClientInterceptor = {
  query: async (input, next) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await next(input);
      } catch (error) {
        if (!isFailedQuery(error) || tries >= triesAfter(error)) throw error;
        await sleep(PAUSE_MS);
      }
    }
  },
};

function triesAfter({ message }: Error): number {
  return message.includes(UNHANDLED_EVENTS) ? TRIES_WITH_UNHANDLED_EVENTS : TRIES;
}
