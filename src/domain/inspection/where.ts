/** Target of the commands in a remedy. */
export interface Where {
  /** `host:port` of the Temporal server. */
  address: string;
  namespace: string;
}

/** Flags of the `temporal` CLI, to append to a command. */
export function whereFlags({ address, namespace }: Where): string {
  return ` --namespace ${namespace} --address ${address}`;
}
