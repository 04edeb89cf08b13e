/** The look of <ghost-classifier>. Colours and sizes are custom properties, so that a page can change them from outside. */
export const style = `
:host {
  --accent: var(--ghost-accent, #5b5bd6);
  --text: var(--ghost-text, #1d1d2b);
  --muted: var(--ghost-muted, #62627a);
  --surface: var(--ghost-surface, #ffffff);
  --soft: var(--ghost-soft, #f2f2fb);
  --line: var(--ghost-line, #d9d9ea);
  --danger: var(--ghost-danger, #b42335);
  display: block;
  max-width: 34rem;
  color: var(--text);
  font: 1rem/1.5 var(--ghost-font, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif);
  text-align: start;
}
@media (prefers-color-scheme: dark) {
  :host {
    --accent: var(--ghost-accent, #9b9bff);
    --text: var(--ghost-text, #ececf6);
    --muted: var(--ghost-muted, #a3a3bb);
    --surface: var(--ghost-surface, #1b1b26);
    --soft: var(--ghost-soft, #262635);
    --line: var(--ghost-line, #3a3a4f);
    --danger: var(--ghost-danger, #ff8a94);
  }
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
.card {
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 18px;
  box-shadow: 0 1px 2px rgb(20 20 50 / 6%), 0 12px 32px -12px rgb(20 20 50 / 18%);
  overflow: hidden;
}
.stage {
  position: relative;
  display: grid;
  place-items: center;
  min-height: 17rem;
  margin: 0.75rem 0.75rem 0;
  border: 2px dashed var(--line);
  border-radius: 12px;
  background: var(--soft);
  overflow: hidden;
  cursor: pointer;
  transition: border-color 0.15s, background-color 0.15s;
}
.stage:hover, .stage.over { border-color: var(--accent); }
.stage.over { background: color-mix(in srgb, var(--accent) 12%, var(--soft)); }
.stage:focus-within { outline: 3px solid var(--accent); outline-offset: 2px; }
.stage.filled { border-style: solid; border-color: transparent; }
input { position: absolute; inset: 0; opacity: 0; cursor: pointer; font-size: 0; }
.invitation { padding: 1.5rem; text-align: center; pointer-events: none; }
.invitation svg { width: 3.5rem; height: 3.5rem; margin-bottom: 0.5rem; color: var(--accent); }
.invitation b { display: block; font-size: 1.1rem; font-weight: 650; }
.invitation span { color: var(--muted); font-size: 0.925rem; }
.picture { grid-area: 1 / 1; display: block; width: 100%; height: calc(17rem - 4px); object-fit: contain; pointer-events: none; }
.change {
  position: absolute;
  inset: auto 0.6rem 0.6rem auto;
  padding: 0.15rem 0.7rem;
  border-radius: 999px;
  background: rgb(20 20 30 / 72%);
  color: #fff;
  font-size: 0.85rem;
  pointer-events: none;
}
.stage:not(.filled) .change { display: none; }
.actions { display: flex; gap: 0.5rem; padding: 0.75rem 0.75rem 0; }
button {
  font: inherit;
  font-size: 0.925rem;
  font-weight: 600;
  color: var(--accent);
  padding: 0.4rem 0.9rem;
  border: 1px solid var(--line);
  border-radius: 999px;
  background: transparent;
  cursor: pointer;
}
button:hover { background: var(--soft); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.answer { padding: 0.75rem 1.1rem 1.1rem; min-height: 4rem; }
.status { margin: 0; color: var(--muted); font-size: 0.925rem; min-height: 1.5em; }
.status.failed { color: var(--danger); }
progress {
  appearance: none;
  display: block;
  width: 100%;
  height: 6px;
  margin: 0.5rem 0;
  border: 0;
  border-radius: 3px;
  background: var(--soft);
  overflow: hidden;
}
progress::-webkit-progress-bar { background: var(--soft); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 3px; transition: width 0.15s; }
progress::-moz-progress-bar { background: var(--accent); border-radius: 3px; }
ol { list-style: none; margin: 0.25rem 0 0; padding: 0; }
li { display: grid; grid-template-columns: 1fr auto; gap: 0.15rem 1rem; padding: 0.35rem 0; }
li .label { overflow-wrap: anywhere; }
li:first-child .label, li:first-child .share { font-size: 1.15rem; font-weight: 650; }
.share { font-variant-numeric: tabular-nums; color: var(--muted); }
li:first-child .share { color: var(--text); }
.bar { grid-column: 1 / -1; height: 6px; border-radius: 3px; background: var(--soft); overflow: hidden; }
.fill {
  width: 100%;
  height: 100%;
  border-radius: 3px;
  background: color-mix(in srgb, var(--accent) 45%, var(--line));
  transform: translateX(-100%);
  transition: transform 0.35s cubic-bezier(0.2, 0.8, 0.2, 1);
}
li:first-child .fill { background: var(--accent); }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
@media (forced-colors: active) { .fill { background: Highlight; } .bar { border: 1px solid CanvasText; } }
`;
