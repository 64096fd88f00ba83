import { printHelp, printHyperkitVersion } from './version';

/** Program `hyperkit`: a first word with a dash is HyperKit's grammar, any other is ours. Each part is loaded when it is asked for. */
const [first] = process.argv.slice(2);
const isOption = first !== undefined && /^-[^-]/.test(first);
switch (isOption ? '-' : first) {
  case '-':
    if (first === '-v') printHyperkitVersion();
    else
      void import('./hyperkit-options').then(({ runHyperkitOptions }) =>
        runHyperkitOptions(process.argv.slice(2), __dirname),
      );
    break;
  case '--help':
  case undefined:
    printHelp();
    process.exitCode = first === undefined ? 1 : 0;
    break;
  case 'doctor':
    void import('./doctor')
      .then(({ runDoctor }) => runDoctor(__dirname))
      .then((code) => {
        process.exitCode = code;
      });
    break;
  default:
    process.stderr.write(
      `hyperkit: cannot do "${first}": this version only knows HyperKit's options (-h lists them) and doctor\n`,
    );
    process.exitCode = 1;
}
