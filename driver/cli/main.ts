import { printHelp, printHyperkitVersion } from './version';

/** Program `hyperkit`. HyperKit's option letters and the machine verbs come with their own parts; nothing here pretends. */
const [first] = process.argv.slice(2);
switch (first) {
  case '-v':
    printHyperkitVersion();
    break;
  case '-h':
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
    process.stderr.write(`hyperkit: cannot do "${first}": this version only knows -v, -h and doctor\n`);
    process.exitCode = 1;
}
