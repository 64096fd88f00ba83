import fc from 'fast-check';
import { parseTemplate } from '../../../../driver/cli/go-template';

const DATA = {
  Name: 'dev',
  Driver: { IPAddress: '127.65.0.1', CPU: 2, HostPorts: ['80', '443'], Empty: [], Nothing: null, Ready: true },
};
const render = (source: string, data: unknown = DATA): string => parseTemplate(source, { strict: false }).render(data);

test.each([
  ['{{.Name}}', 'dev'],
  ['{{ .Driver.IPAddress }} {{.Driver.CPU}}', '127.65.0.1 2'],
  ['{{.Driver.HostPorts}}', '[80 443]'],
  ['{{json .Driver.HostPorts}}', '["80","443"]'],
  ['{{.Driver.HostPorts | json}}', '["80","443"]'],
  ['{{index .Driver.HostPorts 1}}', '443'],
  ['{{index .Driver "CPU"}}', '2'],
  ['{{len .Driver.HostPorts}}', '2'],
  ['{{join .Driver.HostPorts ","}}', '80,443'],
  ['{{.Name | upper | lower}}', 'dev'],
  ['{{.Missing.Deeper}} {{.Driver.Nothing}}', '<no value> <no value>'],
  ['{{.Driver.Ready}}', 'true'],
  ['{{if .Driver.Ready}}yes{{else}}no{{end}}', 'yes'],
  ['{{if .Driver.Empty}}yes{{else}}no{{end}}', 'no'],
  ['{{range .Driver.HostPorts}}<{{.}}>{{end}}', '<80><443>'],
  ['{{range .Driver.Empty}}x{{else}}none{{end}}', 'none'],
  ['a {{- /* note */ -}} b', 'ab'],
  ['{{"}} quoted"}}{{`raw`}}', '}} quotedraw'],
  ['{{.Name}}{{"\\t"}}x', 'dev\tx'],
  ['plain } { text', 'plain } { text'],
  ['{{json .Name}}', '"dev"'],
  ['{{range .Driver.HostPorts}}{{len .}}{{end}}', '23'],
])('%s', (source, expected) => {
  expect(render(source)).toBe(expected);
});

test('a whole record', () => {
  expect(render('{{.}}', { b: [1, null], a: { c: true } })).toBe('map[a:map[c:true] b:[1 <no value>]]');
});

test.each([
  ['{{.Name', /has no }}/],
  ['{{if .Name}}x', /has no \{\{end\}\}/],
  ['{{end}}', /without/],
  ['{{nope .Name}}', /no function "nope"/],
  ['{{.Name .Driver}}', /only functions/],
  ['{{}}', /lacks a field/],
  ['{{.Name |}}', /lacks a field/],
  ['{{.Na-me}}', /not understood/],
])('%s is refused with a reason', (source, text) => {
  expect(() => render(source)).toThrow(text);
});

test('a field that is not there: an error where fields are fixed', () => {
  const template = parseTemplate('{{.Nmae}}', { strict: true });
  expect(() => template.render({ Name: 'x' })).toThrow('there is no field .Nmae; there is Name');
});

test('nothing inherited can be reached', () => {
  expect(render('{{.constructor}} {{index . "__proto__"}} {{.Name.length}}')).toBe('<no value> <no value> <no value>');
});

test('any text renders or is refused, and only so', () => {
  const pieces = fc.constantFrom(
    '{{',
    '}}',
    '.Name',
    'if ',
    'range ',
    'end',
    'else',
    '"',
    '`',
    '|',
    ' ',
    '.',
    '-',
    'json ',
    'x',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
      ),
      (source) => {
        try {
          expect(typeof render(source)).toBe('string');
        } catch (error) {
          expect(error).toMatchObject({ code: 'HK_USAGE' });
        }
      },
    ),
  );
});
