/** Agents that keep connections to API servers open, one for each set of TLS options. */
import type { AgentOptions } from 'node:https';
import { Agent } from 'node:https';

/** Certificates that plugins renew make new agents; those that were not used for longest make room. */
const MAX_AGENTS = 64;

export class AgentPool {
  /** In the order of their last use. */
  private readonly agents = new Map<string, Agent>();

  constructor(private readonly maxAgents = MAX_AGENTS) {}

  /** The agent of these options. One that had to make room ends its requests and then its connections. */
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

  /** Ends all connections, also those in use. */
  close(): void {
    for (const agent of this.agents.values()) agent.destroy();
    this.agents.clear();
  }
}

function newAgent(options: AgentOptions): Agent {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return new Agent({ ...Object.fromEntries(given), keepAlive: true });
}

/** Its `destroy` would break off the requests that are under way. */
function retire(agent: Agent): void {
  Object.assign(agent, { keepAlive: false });
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}
