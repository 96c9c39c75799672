/** Fields of a spec, as `ospatch explain` shows them. */
import { stringify } from 'yaml';
import type { FieldDoc } from '../../domain/spec/field-docs';
import { wrapText } from './columns';
import type { Colors } from './table';

const INDENT = '  ';
/** Readable lines on a wide terminal. */
const MAX_WIDTH = 100;

/** The field with its value, default, meaning, example and the fields below; without a terminal no line is wrapped. */
export function renderField(doc: FieldDoc, color: Colors): string {
  const width = color.columns === undefined ? null : Math.min(color.columns, MAX_WIDTH);
  const paragraph = (text: string, indent: string): string =>
    (width === null ? [text] : wrapText(text, Math.max(20, width - indent.length)))
      .map((line) => `${indent}${line}`)
      .join('\n');
  const { path, clusterTypes, description, fields, example } = doc;
  const title = path === '' ? 'the spec of a cluster' : path;
  const of = clusterTypes.length === 0 ? '' : ` (clusters of type ${clusterTypes.join(', ')})`;
  return [
    paragraph(`${color.bold(title)}${of}`, ''),
    ...(path === '' ? [] : [paragraph(facts(doc), INDENT)]),
    '',
    paragraph(withoutDefault(description), INDENT),
    ...(fields.length === 0 ? [] : ['', 'Fields:']),
    ...fields.flatMap((field) => {
      const name = field.path.slice(path === '' ? 0 : path.length + 1);
      return [
        paragraph(`${color.bold(name)}  ${facts(field)}`, INDENT),
        paragraph(withoutDefault(field.description), `${INDENT}${INDENT}`),
      ];
    }),
    ...(example === null ? [] : ['', 'Example:', stringify(example).trimEnd().replace(/^/gm, INDENT)]),
  ].join('\n');
}

/** The default stands beside the value. */
function withoutDefault(description: string): string {
  return description.replace(/\s*Default: [^.]*\.$/, '');
}

function facts({ value, default: usual, required }: FieldDoc['fields'][number]): string {
  const more = required ? '; required' : usual === null ? '' : `; default: ${usual}`;
  return `${value}${more}`;
}
