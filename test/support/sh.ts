import type { LabNode } from './local-stack';

/** Runs a script on the node as root; throws its output on failure. Returns its output, trimmed. */
export async function sh(node: LabNode, script: string): Promise<string> {
  const { code, stdout, stderr } = await node.exec(script);
  if (code !== 0) throw new Error(`the node's shell ended with ${code}: ${stderr || stdout}\n${script}`);
  return stdout.trim();
}
