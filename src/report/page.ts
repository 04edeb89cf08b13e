/**
 * The frame of every HTML page that this package writes (reports of runs, the paper's tables, feature maps, the toy
 * experiment): one text without any outside reference, light or dark as the reader's system is. What stands on a page, its
 * maker says.
 */

/** Colours and type that all pages share. */
const frame = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--fill:#f1f4f7;--page:#fff;--good:#00704f;--fair:#8a6100;--bad:#b03000}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a7b1bf;--line:#38414d;--fill:#222932;--page:#14181e;--good:#4cc79a;--fair:#dba944;--bad:#ff8a66}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px}h2{font-size:18px;margin:36px 0 8px}p{color:var(--soft);max-width:90ch;margin:4px 0 12px}
table{border-collapse:collapse}td,th{font-weight:normal;font-variant-numeric:tabular-nums}th{color:var(--soft)}.scroll{overflow-x:auto}
figure{margin:0}figcaption{font-size:13px;color:var(--soft)}code{font-size:.93em;background:var(--fill);padding:1px 4px;border-radius:4px;overflow-wrap:anywhere}`;

/** Text for HTML and SVG. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A whole page. `title` is plain text, `style` CSS beside the common one, `body` HTML. */
export function htmlDocument(page: {
  readonly title: string;
  readonly style: string;
  readonly body: string;
}): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(page.title)}</title><style>${frame}
${page.style}</style></head><body>
<h1>${escapeHtml(page.title)}</h1>
${page.body}
</body></html>
`;
}
