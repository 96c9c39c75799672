/** Keep-alive agents for API servers, one per set of TLS options. */
import type { AgentOptions } from 'node:https';
import { Agent } from 'node:https';

/** Renewed plugin certificates create new agents; the least recently used ones are evicted. */
const MAX_AGENTS = 64;

export class AgentPool {
  /** Least recently used first. */
  private readonly agents = new Map<string, Agent>();

  constructor(private readonly maxAgents = MAX_AGENTS) {}

  /** The agent for these options. An evicted agent finishes its requests before its connections close. */
  get({ ca, cert, key, servername, rejectUnauthorized }: AgentOptions): Agent {
    const options = { ca, cert, key, servername, rejectUnauthorized };
    const fingerprint = JSON.stringify(Object.values(options).map(String));
    const agent = this.agents.get(fingerprint) ?? newAgent(options);
    this.agents.delete(fingerprint);
    this.agents.set(fingerprint, agent);
    const [oldest] = this.agents;
    if (this.agents.size > this.maxAgents && oldest !== undefined) {
      this.agents.delete(oldest[0]);
      retire(oldest[1]);
    }
    return agent;
  }

  /** Closes all connections, including those in use. */
  close(): void {
    for (const agent of this.agents.values()) agent.destroy();
    this.agents.clear();
  }
}

function newAgent(options: AgentOptions): Agent {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return new Agent({ ...Object.fromEntries(given), keepAlive: true });
}

/** `destroy` would abort requests in flight. */
function retire(agent: Agent): void {
  Object.assign(agent, { keepAlive: false });
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}
