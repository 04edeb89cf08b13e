/** Reading and agreement of printed numbers, CSV text, and what a table says about rows without a network. */
import { describe, expect, it } from 'vitest';
import { agreement } from './agreement.js';
import { csvLine, readCsv } from './csv.js';
import { architecture, countsTable, markdownTable } from './render.js';
import { architectureTable, paperRows } from './rows.js';

describe('agreement', () => {
  it.each([
    [5_182_508, '5.2 M', 'printed digits'],
    [141_150_512, '141 M', 'printed digits'],
    [8_151_752, '6.5 M', 'differs'],
    [227_003_256, '226 M', 'within 2 %'],
    [2_278_604, '2278604', 'exact'],
    [2_278_605, '2278604', 'differs'],
    [1, '', 'unpublished'],
  ] as const)('%d beside "%s": %s', (count, printed, expected) => {
    expect(agreement(count, printed)).toBe(expected);
  });
});

it('CSV survives commas, quotes and line breaks', () => {
  const cells = ['plain', 'a, b', 'say "no"', 'two\nlines', ''];
  const text = csvLine(['a', 'b', 'c', 'd', 'e']) + csvLine(cells);
  expect(readCsv(text).map((row) => Object.values(row))).toEqual([cells]);
  expect(readCsv('a,b\r\n1\r\n')).toEqual([{ a: '1', b: '' }]);
});

describe('tables', () => {
  const header =
    'table,group,row,model,ratio,cheapKernel,convolutionsOnly,paperParams,paperMacs,paperTop1,paperTop5,note\n';
  const rows = readCsv(
    `${header}3,,VGG,ghost-vgg16-cifar,3,,yes,5.2 M,107 M,93.4,,\n3,,Pruned,,,,,5.4 M,,92.0,,shape not published\n`,
  );

  it('counts what the package has and says what it lacks', () => {
    const trained = readCsv(
      'model,ratio,cheapKernel,top1,epochs,trainedOn\nghost-vgg16-cifar,3,,91.5,5,47500\nghost-vgg16-cifar,3,,60,5,8000\n',
    );
    const [vgg, pruned] = paperRows(rows, trained, 3);
    expect(vgg?.ours).toMatchObject({
      params: 5_218_476,
      macs: 106_972_776,
      macsAgreement: 'printed digits',
    });
    expect(vgg?.accuracy).toMatchObject({
      status: 'trained here',
      top1: 91.5,
      how: '5 epochs of 47,500 pictures',
    });
    expect(paperRows(rows, [], 3)[0]?.accuracy.status).toBe('needs training');
    expect(pruned?.ours).toBeUndefined();
    expect(pruned?.accuracy.status).toBe('no network here');
    const text = markdownTable(countsTable(3, paperRows(rows, trained, 3)));
    expect(text).toContain('| 5,218,476 | 5.2 M | printed digits |');
    expect(text).toContain('(1) shape not published.');
  });

  it('table 1 from the graph has the 16 bottlenecks of the paper', () => {
    const table = architectureTable();
    expect(table.filter(({ operator }) => operator === 'G-bneck')).toHaveLength(16);
    const cells = architecture(table).rows;
    expect(cells[0]).toEqual(['224x224x3', 'Conv2d 3x3', '-', '16', '-', '2']);
    expect(cells[4]).toEqual(['56x56x24', 'G-bneck', '72', '40', '1', '2']);
    expect(cells.at(-1)).toEqual(['1x1x1280', 'FC', '-', '1000', '-', '-']);
  });
});
