/** Where the commands of a remedy have to go. */
export interface Where {
  /** `host:port` of the Temporal server. */
  address: string;
  namespace: string;
}

/** For the `temporal` CLI, to append to a command. */
export function whereFlags({ address, namespace }: Where): string {
  return ` --namespace ${namespace} --address ${address}`;
}
