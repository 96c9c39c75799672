/** Detects web pages returned in place of an API answer: by a proxy, a firewall or a network login. */
import { plainText } from './text';

const MAX_TITLE = 120;
/** Enough to contain the title. */
const MAX_READ = 20_000;

/** The title of the page, `""` when it has none; null when the text is not a web page. */
export function pageTitle(text: string): string | null {
  const page = text.slice(0, MAX_READ);
  if (
    !/^\uFEFF?\s*(?:<!--[\s\S]*?-->\s*)*<(?:!doctype\s+html|html|head|body|\?xml[^>]*>\s*<(?:!doctype\s+html|html))\b/i.test(
      page,
    )
  )
    return null;
  const title =
    /<title[^>]*>([\s\S]*?)<\/title>/i.exec(page)?.[1] ?? /<h1[^>]*>([\s\S]*?)<\/h1>/i.exec(page)?.[1] ?? '';
  return plainText(
    decode(title.replace(/<[^>]*>/g, ' '))
      .replace(/\s+/g, ' ')
      .trim(),
    MAX_TITLE,
  );
}

/** E.g. `a web page (HTTP 403, "Access denied")`. */
export function describePage(title: string, status: number | null): string {
  const parts = [...(status === null ? [] : [`HTTP ${status}`]), ...(title === '' ? [] : [`"${title}"`])];
  return `a web page${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function decode(text: string): string {
  return text.replace(
    /&(?:#(\d{1,6})|([a-z]{2,6}));/gi,
    (whole, code: string | undefined, name: string | undefined) => {
      if (code !== undefined) return Number(code) <= 0x10_ff_ff ? String.fromCodePoint(Number(code)) : whole;
      return ENTITIES[(name ?? '').toLowerCase()] ?? whole;
    },
  );
}
