/** One way to boot, as isolinux.cfg offers it. */
export interface IsolinuxEntry {
  readonly kernel?: string;
  readonly initrd?: string;
  /** Kernel arguments without `initrd=`. */
  readonly commandLine?: string;
}

interface Label {
  readonly name: string;
  isMenuDefault: boolean;
  kernel?: string;
  initrd?: string;
  append?: string;
}

/**
 * Reads SYSLINUX's configuration as far as one entry goes: the label that `default` or `menu default` names, else the
 * first that has arguments. Keywords count in any case; an `append` in front of all labels is for those without one.
 */
export function readIsolinuxConfig(text: string): IsolinuxEntry {
  const common: Label = { name: '', isMenuDefault: false };
  const labels: Label[] = [];
  let wanted = '';
  for (const line of text.split(/\r?\n/)) {
    // Printable ASCII only: what else is on the line is no kernel argument.
    const [, keyword = '', rest = ''] = /^\s*([A-Za-z]+)\s+([\x20-\x7e\t]+)/.exec(line) ?? [];
    const value = rest.trim();
    const label = labels.at(-1) ?? common;
    switch (keyword.toLowerCase()) {
      case 'label':
        labels.push({ name: value, isMenuDefault: false });
        break;
      case 'default':
        wanted = value.toLowerCase();
        break;
      case 'menu':
        if (/^default\b/i.test(value)) label.isMenuDefault = true;
        break;
      case 'kernel':
      case 'linux':
        // Old boot2docker has arguments for the serial port behind the path.
        label.kernel = value.split(/\s/)[0]!;
        break;
      case 'initrd':
        label.initrd = value;
        break;
      case 'append':
        label.append = value;
        break;
    }
  }
  const chosen =
    labels.find(({ name }) => name.toLowerCase() === wanted) ??
    labels.find(({ isMenuDefault }) => isMenuDefault) ??
    labels.find(({ append }) => append !== undefined) ??
    common;
  return toEntry(chosen, chosen.append ?? common.append ?? labels.find(({ append }) => append !== undefined)?.append);
}

function toEntry(label: Label, append = ''): IsolinuxEntry {
  const words = append.split(/\s+/).filter((word) => word !== '' && word !== '-');
  const initrd = label.initrd ?? words.find((word) => /^initrd=/i.test(word))?.slice('initrd='.length);
  const commandLine = words.filter((word) => !/^(initrd|BOOT_IMAGE)=/i.test(word)).join(' ');
  return {
    ...(label.kernel !== undefined && { kernel: label.kernel }),
    ...(initrd !== undefined && { initrd }),
    ...(commandLine !== '' && { commandLine }),
  };
}
