/** Whether `HOST:PORT` is on this machine, so that nobody can listen on the way. */
export function isLoopback(address: string): boolean {
  const host = address
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host);
}
