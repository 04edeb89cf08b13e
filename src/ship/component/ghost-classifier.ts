/**
 * <ghost-classifier src="./model.js" top="3" camera>: a network that `ghostnet build` made, for pages without JavaScript of
 * their own. A file picker that takes dropped and pasted pictures too, results that screen readers announce, and with
 * `camera` a live picture. Fires `result` (detail: predictions and ms) and `error` (detail: the error).
 *
 * Safe under a strict content security policy: styles are a constructed sheet, elements are made one by one.
 */
import type { Model as LoadedModel, Prediction } from '../loader/model.js';
import { drawIcon, element } from './elements.js';
import { style } from './style.js';

interface ModelModule {
  readonly load: (options: {
    onProgress: (progress: { loaded: number; total: number }) => void;
  }) => Promise<LoadedModel>;
}

type Shown = Blob | HTMLVideoElement | CanvasImageSource;

/** Time between two looks at the camera. */
const cameraPauseMs = 200;

const percent = (probability: number): string => `${(100 * probability).toFixed(1)} %`;

/** The model.js that `src` names. */
async function importModel(src: string): Promise<ModelModule> {
  const wrong = (why: string): Error =>
    new Error(`src="${src}" ${why}; it must name the model.js that "ghostnet build" wrote`);
  let module: Partial<ModelModule>;
  try {
    module = await import(/* @vite-ignore */ /* webpackIgnore: true */ new URL(src, document.baseURI).href);
  } catch (error) {
    throw wrong(`cannot be loaded (${(error as Error).message})`);
  }
  if (typeof module.load !== 'function') throw wrong('is another program');
  return module as ModelModule;
}

export class GhostClassifier extends HTMLElement {
  static readonly observedAttributes = ['src', 'camera'];

  readonly #input = element('input');
  readonly #picture = element('img', 'picture');
  readonly #video = element('video', 'picture');
  readonly #invitation = element(
    'div',
    'invitation',
    drawIcon(),
    element('b', '', 'Choose a picture'),
    element('span', '', 'or drop or paste one here'),
  );
  readonly #stage = element(
    'label',
    'stage',
    this.#input,
    this.#invitation,
    this.#picture,
    this.#video,
    element('span', 'change', 'Another picture'),
  );
  readonly #cameraButton = element('button', '', 'Use the camera');
  readonly #actions = element('div', 'actions', this.#cameraButton);
  readonly #status = element('p', 'status');
  readonly #progress = element('progress');
  readonly #list = element('ol');
  readonly #spoken = element('div', 'spoken');
  #model: Promise<LoadedModel> | undefined;
  #stream: MediaStream | undefined;
  #turn = 0;
  #lastSpoken = '';
  /** Counts starts and stops of the camera: one that was stopped while the browser asked for leave does not start. */
  #cameraTurn = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    this.#input.type = 'file';
    this.#input.accept = 'image/*';
    this.#input.setAttribute('aria-label', 'Choose a picture to classify');
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.#cameraButton.type = 'button';
    this.#list.setAttribute('aria-label', 'What the network sees, best first');
    // some screen readers take a list without bullets for none
    this.#list.setAttribute('role', 'list');
    // the one place that speaks: what is seen changes with every part that is loaded and every look of the camera
    this.#spoken.setAttribute('role', 'status');
    this.#progress.setAttribute('aria-label', 'Loading the network');
    for (const part of [this.#picture, this.#video, this.#progress, this.#list, this.#actions])
      part.hidden = true;
    const answer = element('div', 'answer', this.#status, this.#progress, this.#list, this.#spoken);
    root.append(element('div', 'card', this.#stage, this.#actions, answer));
    this.#listen();
  }

  connectedCallback(): void {
    this.#say('');
    document.addEventListener('paste', this.#paste);
  }

  disconnectedCallback(): void {
    this.stopCamera();
    document.removeEventListener('paste', this.#paste);
    // moved elements are back by then
    queueMicrotask(() => {
      if (!this.isConnected) this.#release();
    });
  }

  attributeChangedCallback(name: string): void {
    if (name === 'camera') this.#actions.hidden = !this.hasAttribute('camera') || !navigator.mediaDevices;
    if (name === 'src') this.#release();
  }

  /** Lets go of the network and its threads; what it is about to answer is not shown. */
  #release(): void {
    this.#turn++;
    this.#model?.then((model) => model.dispose()).catch(() => {});
    this.#model = undefined;
  }

  /** Loads the network that `src` names, once; a picture does that by itself. */
  load(): Promise<LoadedModel> {
    this.#model ??= this.#load().catch((error: unknown) => {
      this.#model = undefined;
      throw error;
    });
    return this.#model;
  }

  /** The network, loaded anew where it was disposed of: by the page, or because one of its threads had ended. */
  async #usable(): Promise<LoadedModel> {
    const loading = this.load();
    const model = await loading;
    if (!model.disposed) return model;
    if (this.#model === loading) this.#model = undefined;
    return this.load();
  }

  /** Classifies and shows a picture. Resolves to the predictions, or to undefined when that failed. */
  async classify(picture: Shown): Promise<Prediction[] | undefined> {
    const turn = ++this.#turn;
    try {
      const model = await this.#usable();
      const started = performance.now();
      const top = Math.max(Math.trunc(Number(this.getAttribute('top'))), 0) || 3;
      const predictions = await model.classify(picture as Blob, { top });
      const ms = performance.now() - started;
      if (turn !== this.#turn) return predictions;
      this.#show(predictions, ms);
      this.dispatchEvent(new CustomEvent('result', { detail: { predictions, ms } }));
      return predictions;
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
      return undefined;
    }
  }

  /** Shows the camera and classifies what it sees, until `stopCamera`. */
  async startCamera(): Promise<void> {
    const turn = ++this.#cameraTurn;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      if (turn !== this.#cameraTurn) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.#stream = stream;
      this.#video.srcObject = stream;
      this.#display(this.#video);
      this.#cameraButton.textContent = 'Stop the camera';
      await this.#video.play();
    } catch (error) {
      if (turn !== this.#cameraTurn) return;
      this.stopCamera();
      this.#fail(error);
      return;
    }
    while (turn === this.#cameraTurn) {
      if (!(await this.classify(this.#video)) && turn === this.#cameraTurn) return this.stopCamera();
      await new Promise((resolve) => setTimeout(resolve, cameraPauseMs));
    }
  }

  stopCamera(): void {
    this.#cameraTurn++;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#cameraButton.textContent = 'Use the camera';
  }

  #listen(): void {
    const take = (files: FileList | null | undefined): void => {
      const file = files?.[0];
      if (file) this.#take(file);
    };
    this.#input.addEventListener('change', () => {
      take(this.#input.files);
      // choosing the same file again is a change too
      this.#input.value = '';
    });
    this.addEventListener('dragover', (event) => {
      event.preventDefault();
      this.#stage.classList.add('over');
    });
    this.addEventListener('dragleave', () => this.#stage.classList.remove('over'));
    this.addEventListener('drop', (event) => {
      event.preventDefault();
      this.#stage.classList.remove('over');
      if (event.dataTransfer?.files.length) take(event.dataTransfer.files);
      else
        this.#fail(new Error('What was dropped is no file; save the picture first, or copy and paste it.'));
    });
    // no broken picture beside what is said of it
    this.#picture.addEventListener('error', () => this.#display(this.#invitation));
    this.#cameraButton.addEventListener('click', () => {
      if (this.#stream) this.stopCamera();
      else void this.startCamera();
    });
  }

  /** A paste into this element, or into nothing in particular: then the page's first element of this kind takes it. */
  readonly #paste = (event: ClipboardEvent): void => {
    const file = event.clipboardData?.files[0];
    if (!file || event.defaultPrevented) return;
    const path = event.composedPath();
    const elsewhere = path.some(
      (node) =>
        node instanceof HTMLElement &&
        (node.isContentEditable || /^(INPUT|TEXTAREA|GHOST-CLASSIFIER)$/.test(node.tagName)),
    );
    if (!path.includes(this) && (elsewhere || document.querySelector('ghost-classifier') !== this)) return;
    event.preventDefault();
    this.#take(file);
  };

  #take(file: File): void {
    this.stopCamera();
    URL.revokeObjectURL(this.#picture.src);
    this.#picture.src = URL.createObjectURL(file);
    this.#picture.alt = file.name;
    this.#display(this.#picture);
    this.#list.hidden = true;
    void this.classify(file);
  }

  #display(shown: HTMLElement): void {
    const filled = shown !== this.#invitation;
    this.#stage.classList.toggle('filled', filled);
    this.#input.setAttribute('aria-label', `${filled ? 'Another' : 'Choose a'} picture to classify`);
    for (const part of [this.#invitation, this.#picture, this.#video]) part.hidden = part !== shown;
  }

  async #load(): Promise<LoadedModel> {
    const src = this.getAttribute('src');
    if (!src) throw new Error('<ghost-classifier> needs src="./model.js"');
    this.#say('Loading the network …');
    this.#spoken.textContent = 'Loading the network';
    const module = await importModel(src);
    this.#progress.hidden = false;
    try {
      return await module.load({
        onProgress: ({ loaded, total }) => {
          this.#progress.max = total;
          this.#progress.value = loaded;
          const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
          this.#say(`Loading the network: ${megabytes(loaded)} of ${megabytes(total)} MB`);
        },
      });
    } finally {
      this.#progress.hidden = true;
    }
  }

  #show(predictions: readonly Prediction[], ms: number): void {
    this.#say(`${ms.toFixed(ms < 10 ? 1 : 0)} ms, on this device`);
    this.#list.hidden = false;
    while (this.#list.childElementCount > predictions.length) this.#list.lastElementChild?.remove();
    predictions.forEach(({ label, probability }, i) => {
      const item = this.#list.children[i] ?? this.#list.appendChild(this.#makeItem());
      const [name, share, bar] = item.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
      name.textContent = label;
      share.textContent = percent(probability);
      const fill = bar.firstElementChild as HTMLElement;
      // after a frame, so that new bars grow too
      requestAnimationFrame(() =>
        fill.style.setProperty('transform', `translateX(${100 * probability - 100}%)`),
      );
    });
    // a camera would otherwise talk all the time
    const best = predictions[0]?.label ?? '';
    if (this.#stream && best === this.#lastSpoken) return;
    this.#lastSpoken = best;
    this.#spoken.textContent = predictions
      .map(({ label, probability }) => `${label}, ${Math.round(100 * probability)} percent`)
      .join('; ');
  }

  #makeItem(): HTMLLIElement {
    const bar = element('div', 'bar', element('div', 'fill'));
    bar.setAttribute('aria-hidden', 'true');
    return element('li', '', element('span', 'label'), element('span', 'share'), bar);
  }

  #say(text: string): void {
    this.#status.classList.remove('failed');
    this.#status.textContent = text || 'The picture stays on this device.';
  }

  #fail(error: unknown): void {
    this.#list.hidden = true;
    this.#status.classList.add('failed');
    const text = error instanceof Error ? error.message : String(error);
    this.#status.textContent = text.replace(/^classify: /, '');
    this.#lastSpoken = '';
    this.#spoken.textContent = this.#status.textContent;
    this.dispatchEvent(new CustomEvent('error', { detail: error }));
  }
}

if (!customElements.get('ghost-classifier')) customElements.define('ghost-classifier', GhostClassifier);
