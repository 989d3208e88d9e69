/* The folder's first file; see docs/architecture.md. */
typedef int passes_placeholder;
