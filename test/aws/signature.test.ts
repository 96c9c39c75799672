import { signPost } from '../../src/aws/signature';

const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

describe('src/aws/signature', () => {
  it('signs the example that AWS publishes as post-vanilla with the signature it publishes', () => {
    const { authorization } = signPost({
      ...{ region: 'us-east-1', service: 'service', host: 'example.amazonaws.com', headers: {}, body: '' },
      ...{ credentials: CREDENTIALS, at: new Date('2015-08-30T12:36:00Z') },
    });
    expect(authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    );
  });

  it('signs body, headers and session token as the SDK of AWS does', () => {
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'AmazonSSM.GetParameter' };
    const signed = signPost({
      ...{ region: 'eu-central-1', service: 'ssm', host: 'ssm.eu-central-1.amazonaws.com', headers },
      body: '{"Name":"/aws/x"}',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'x/y+z', sessionToken: 'tok==' },
      at: new Date('2026-01-02T03:04:05.678Z'),
    });
    expect(signed['x-amz-security-token']).toBe('tok==');
    expect(signed['authorization']).toContain(
      'Signature=59af333de556cc144cdcfa0821fde74c1c3dff61c6ab6df539096d18c53e1f0d',
    );
  });
});
