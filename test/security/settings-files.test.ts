import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkAwsFiles } from '../../src/aws/config-files';
import { checkTemporalFiles, forgetTemporalSecrets } from '../../src/temporal-files';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-settings-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, text: string, mode: number): string {
  const at = path.join(dir, name);
  writeFileSync(at, text);
  chmodSync(at, mode);
  return at;
}

describe('the files with which a worker reaches Temporal', () => {
  const check = (env: NodeJS.ProcessEnv, profile?: string) => () => checkTemporalFiles({ HOME: dir, ...env }, profile);

  it('may be missing', () => {
    expect(check({})).not.toThrow();
    expect(check({ TEMPORAL_CONFIG_FILE: path.join(dir, 'none') })).not.toThrow();
  });

  it('are refused when others can change the address', () => {
    const config = file('temporal.toml', '[profile.default]\naddress = "temporal:7233"\n', 0o644);
    expect(check({ TEMPORAL_CONFIG_FILE: config })).not.toThrow();
    chmodSync(config, 0o666);
    expect(check({ TEMPORAL_CONFIG_FILE: config })).toThrow(/TEMPORAL_CONFIG_FILE.* can be changed by everybody/);
  });

  it('are refused when others can read an API key in them, and the key is in no message', () => {
    const config = file('temporal.toml', '[profile.default]\napi_key = "planted"\n', 0o644);
    expect(check({ TEMPORAL_CONFIG_FILE: config })).toThrow('can be read by everybody');
    expect(check({ TEMPORAL_CONFIG_FILE: config })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('planted') as string }),
    );
  });

  it.each([
    ['client_key_path', 'TEMPORAL_TLS_CLIENT_KEY_PATH', 0o644],
    ['client_cert_path', 'TEMPORAL_TLS_CLIENT_CERT_PATH', 0o666],
    ['server_ca_cert_path', 'TEMPORAL_TLS_SERVER_CA_CERT_PATH', 0o666],
  ])('are refused when others can read the key or change a certificate: %s', (key, variable, mode) => {
    const pem = file('file.pem', 'x', mode);
    const config = file('temporal.toml', `[profile.eu]\naddress = "a:1"\n[profile.eu.tls]\n${key} = "${pem}"\n`, 0o600);
    expect(check({ TEMPORAL_CONFIG_FILE: config }, 'eu')).toThrow(variable);
    expect(check({ [variable]: pem })).toThrow(variable);
    chmodSync(pem, 0o600);
    expect(check({ TEMPORAL_CONFIG_FILE: config }, 'eu')).not.toThrow();
  });

  it('leave no secret in the environment that programs of libraries inherit', () => {
    const env = {
      TEMPORAL_API_KEY: 'planted',
      TEMPORAL_TLS_CLIENT_KEY_DATA: 'planted',
      TEMPORAL_GRPC_META_AUTHORIZATION: 'planted',
      TEMPORAL_CODEC_AUTH: 'planted',
      TEMPORAL_ADDRESS: 'a:1',
      PATH: '/bin',
    };
    forgetTemporalSecrets(env);
    expect(env).toEqual({ TEMPORAL_ADDRESS: 'a:1', PATH: '/bin' });
  });
});

describe('the files of the AWS SDK', () => {
  const check = (config: string, credentials: string) => () =>
    checkAwsFiles({ AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: credentials });

  it('are refused when others can name a program in them or read the credentials', () => {
    const config = file('config', '[default]\ncredential_process = /bin/true\n', 0o644);
    const credentials = file('credentials', '[default]\naws_access_key_id = planted\n', 0o600);
    expect(check(config, credentials)).not.toThrow();
    expect(check(path.join(dir, 'none'), '/dev/null')).not.toThrow();
    chmodSync(config, 0o664);
    expect(check(config, credentials)).toThrow('can be changed by group');
    chmodSync(config, 0o644);
    expect(check(config, chmodedForAll(credentials))).toThrow('can be read by everybody');
  });

  function chmodedForAll(at: string): string {
    chmodSync(at, 0o644);
    return at;
  }
});
