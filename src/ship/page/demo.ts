/** The demo page's own script: says what the network is. The work is done by <ghost-classifier>. */

interface Info {
  readonly labels: readonly string[];
  readonly width: number;
  readonly height: number;
}

const { info } = (await import(new URL('model.js', document.baseURI).href)) as { info: Info };
const facts = document.getElementById('facts') as HTMLElement;
const { labels, width, height } = info;
facts.textContent = `${labels.length > 0 ? `Tells ${labels.length} classes apart, from` : 'From'} ${width} × ${height} pixels. It runs in this page: no picture leaves your device.`;
const list = document.getElementById('classes') as HTMLElement;
for (const label of labels) list.append(Object.assign(document.createElement('li'), { textContent: label }));
(document.getElementById('classes-section') as HTMLElement).hidden = labels.length === 0;

export {};
