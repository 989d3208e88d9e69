/* The folder's first file; see docs/architecture.md. */
typedef int backend_placeholder;
