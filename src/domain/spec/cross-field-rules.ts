/**
 * Rules across several fields of a document. They read the raw document, whatever else is wrong with it, so that all
 * mistakes are reported at once.
 */
import { alertIssues } from './alerts-section';
import { blackoutIssues } from './blackout-section';
import { kubernetesIssues } from './kubernetes-section';
import { DEFAULT_SSH } from './normalise';
import { restartIssues } from './restart-section';
import { rolloutIssues } from './rollout-section';
import { scheduleIssues } from './schedule-rules';
import type { SpecIssue, SpecPath } from './issues';
import { show, valueAt } from './issues';
import { canonicalHost, HOST_FORMAT, isHost } from '../trust/hosts';

export function ruleIssues(document: unknown): SpecIssue[] {
  return [
    ...nodeIssues(document),
    ...userIssues(document),
    ...scheduleIssues(document),
    ...blackoutIssues(document),
    ...kubernetesIssues(document),
    ...restartIssues(document),
    ...rolloutIssues(document),
    ...alertIssues(document),
  ];
}

function nodeIssues(document: unknown): SpecIssue[] {
  const issues: SpecIssue[] = [];
  const names = new Map<string, SpecPath>();
  const addresses = new Map<string, SpecPath>();
  for (const [index] of nodesOf(document).entries()) {
    const path: SpecPath = ['nodes', index];
    const name = valueAt(document, [...path, 'name']);
    if (typeof name === 'string') {
      const first = names.get(name);
      if (first === undefined) names.set(name, path);
      else
        issues.push(
          error([...path, 'name'], `found ${show(name)}, already the name of ${nth(first)}; allowed: each name once`),
        );
    }
    const givenHost = valueAt(document, [...path, 'host']);
    const host = givenHost ?? name;
    if (typeof host !== 'string') continue;
    if (!isHost(host)) {
      if (givenHost === undefined && typeof name === 'string') {
        const message = `missing, and the name ${show(name)} cannot be used as the address; allowed: ${HOST_FORMAT}`;
        issues.push({ ...error([...path, 'host'], message), at: 'parent' });
      }
      continue;
    }
    const port = sshValue(document, path, 'port') ?? DEFAULT_SSH.port;
    const address = `${canonicalHost(host)} ${show(port)}`;
    const first = addresses.get(address);
    if (first === undefined) addresses.set(address, path);
    else if (valueAt(document, [...first, 'name']) !== name || givenHost !== undefined) {
      const place: SpecPath = givenHost === undefined ? [...path, 'name'] : [...path, 'host'];
      const message = `found ${show(host)} with port ${show(port)}, already the address of ${nth(first)}; allowed: each address once`;
      issues.push(error(place, message));
    }
  }
  return issues;
}

/** One issue for the cluster when no node has a user, one per node when only some have. */
function userIssues(document: unknown): SpecIssue[] {
  if (valueAt(document, ['ssh', 'user']) !== undefined) return [];
  const nodes = nodesOf(document);
  const without = [...nodes.keys()].filter((index) => valueAt(document, ['nodes', index, 'ssh', 'user']) === undefined);
  const wanted = 'missing; allowed: root, or a user that may run sudo -n';
  if (without.length === nodes.length) {
    if (nodes.length === 0) return [];
    return [{ ...error(['ssh', 'user'], `${wanted}; set it here or in ssh of each node`), at: 'parent' }];
  }
  return without.map((index) => ({
    ...error(['nodes', index, 'ssh', 'user'], `${wanted}; set it here or in ssh of the cluster`),
    at: 'parent' as const,
  }));
}

function nodesOf(document: unknown): unknown[] {
  const nodes = valueAt(document, ['nodes']);
  return Array.isArray(nodes) ? nodes : [];
}

function sshValue(document: unknown, node: SpecPath, key: string): unknown {
  return valueAt(document, [...node, 'ssh', key]) ?? valueAt(document, ['ssh', key]);
}

function nth(path: SpecPath): string {
  return `nodes[${String(path[1])}]`;
}

function error(path: SpecPath, message: string): SpecIssue {
  return { severity: 'error', path, at: 'value', message };
}
