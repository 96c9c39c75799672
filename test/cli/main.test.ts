import { main } from '../../src/cli/main';

function closedPipe(code = 'EPIPE'): Error {
  return Object.assign(new Error(`write ${code}`), { code });
}

describe('src/cli/main', () => {
  const { argv, exitCode } = process;
  afterEach(() => {
    jest.restoreAllMocks();
    process.argv = argv;
    process.exitCode = exitCode;
  });

  async function handlersOf(stream: NodeJS.WriteStream): Promise<(error: Error) => void> {
    const on = jest.spyOn(stream, 'on').mockReturnThis();
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    process.argv = ['node', 'ospatch', '--version'];
    await main();
    const [, handler] = on.mock.calls.find(([event]) => String(event) === 'error') ?? [];
    if (handler === undefined) throw new Error('nothing listens for errors');
    return handler as (error: Error) => void;
  }

  test('notes that nobody reads end nothing, so that the exit code stays', async () => {
    const exit = jest.spyOn(process, 'exit').mockReturnValue(undefined as never);
    const handler = await handlersOf(process.stderr);
    expect(() => handler(closedPipe())).not.toThrow();
    expect(exit).not.toHaveBeenCalled();
    expect(() => handler(closedPipe('EIO'))).toThrow('EIO');
  });

  test('a result that nobody reads ends the command with the exit code it has by then', async () => {
    const exit = jest.spyOn(process, 'exit').mockReturnValue(undefined as never);
    const handler = await handlersOf(process.stdout);
    handler(closedPipe());
    expect(exit.mock.calls).toEqual([[]]);
  });
});
