import { printHyperkitVersion } from './version';

/** Program `hyperkit`: a first word with one dash is HyperKit's grammar, any other is ours. Each part is loaded when it is asked for. */
const words = process.argv.slice(2);
const [first] = words;
if (first !== undefined && /^-[^-]/.test(first)) {
  if (first === '-v') printHyperkitVersion();
  else void import('./hyperkit-options').then(({ runHyperkitOptions }) => runHyperkitOptions(words, __dirname));
} else {
  void import('./run-words')
    .then(({ runWords }) => runWords(words, __dirname))
    .then((status) => {
      process.exitCode = status;
    });
}
