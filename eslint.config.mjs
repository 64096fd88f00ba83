// Only the rules that need types; formatting and everything else is biome's.
import tseslint from 'typescript-eslint';

// biome-ignore lint/style/noDefaultExport: the form eslint asks for
export default tseslint.config(
  {
    ignores: ['dist/**', 'node_modules/**', '**/*.mjs', '**/*.cjs', 'image/**', 'proto/generated/**', 'test/peers/**'],
  },
  {
    files: ['**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/only-throw-error': 'error',
    },
  },
);
