/** Makes the elements that <ghost-classifier> is made of, one by one, as a strict content security policy wants it. */
const icon =
  'M12 3a7 7 0 0 0-7 7v10.2c0 .7.8 1 1.3.6l1.6-1.4 1.7 1.5c.3.3.8.3 1.1 0L12 19.7l1.3 1.2c.3.3.8.3 1.1 0l1.7-1.5 1.6 1.4c.5.4 1.3.1 1.3-.6V10a7 7 0 0 0-7-7Zm-2.5 6a1 1 0 0 1 1 1v1a1 1 0 0 1-2 0v-1a1 1 0 0 1 1-1Zm5 0a1 1 0 0 1 1 1v1a1 1 0 0 1-2 0v-1a1 1 0 0 1 1-1Z';

/** An element with a class and children; no text becomes markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** The ghost. */
export function drawIcon(): SVGSVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const path = document.createElementNS(space, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', icon);
  path.setAttribute('fill', 'currentColor');
  svg.append(path);
  return svg;
}
