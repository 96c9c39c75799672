import { describePage, pageTitle } from '../../../src/domain/shared/web-page';

describe('src/domain/shared/web-page', () => {
  it.each([
    ['<html><head><title>Access denied &amp; logged</title>', 'Access denied & logged'],
    ['\uFEFF<!DOCTYPE html>\n<html><body><h1>503 <b>Service</b>\n Unavailable</h1>', '503 Service Unavailable'],
    ['<!-- proxy --><HTML><BODY>no</BODY></HTML>', ''],
    ['<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x"><html><title>Login\u001b[31m</title></html>', 'Login [31m'],
    ['{"kind":"Status"}', null],
    ['<Error><Code>AccessDenied</Code></Error>', null],
    ['', null],
  ])('%j', (text, title) => {
    expect(pageTitle(text)).toBe(title);
  });

  it('names status and title as far as known', () => {
    expect(describePage('Access denied', 403)).toBe('a web page (HTTP 403, "Access denied")');
    expect(describePage('', null)).toBe('a web page');
  });
});
