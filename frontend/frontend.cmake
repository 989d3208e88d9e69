# The scanner and the parser are generated at build time; warnings that their skeletons cause are
# off for these two files alone.
dlc_folder(frontend dlc_ir dlc_support)

set(generated ${CMAKE_BINARY_DIR}/generated/frontend)
file(MAKE_DIRECTORY ${generated})
bison_target(parser ${CMAKE_SOURCE_DIR}/frontend/parser.y ${generated}/parser.tab.c
             COMPILE_FLAGS "-Wall -Werror --no-lines")
flex_target(lexer ${CMAKE_SOURCE_DIR}/frontend/lexer.l ${generated}/lexer.lex.c
            COMPILE_FLAGS "--noline")
add_flex_bison_dependency(lexer parser)
set_source_files_properties(${generated}/lexer.lex.c PROPERTIES COMPILE_OPTIONS
                            "-Wno-sign-compare;-Wno-unused-function;-Wno-unused-parameter;-Wno-missing-prototypes")
target_sources(dlc_frontend PRIVATE ${BISON_parser_OUTPUTS} ${FLEX_lexer_OUTPUTS})
target_include_directories(dlc_frontend PRIVATE ${CMAKE_BINARY_DIR}/generated)

# The standard library is inside the compiler; std.dl is read first, the others may use it.
set(standard std recurrence attention vocabulary optimizers)
list(TRANSFORM standard REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/frontend/std/\\1.dl")
add_custom_command(
  OUTPUT ${generated}/standard.c
  COMMAND ${CMAKE_COMMAND} -DOUTPUT=${generated}/standard.c "-DFILES=${standard}"
          -P ${CMAKE_SOURCE_DIR}/frontend/standard.cmake
  DEPENDS ${standard} ${CMAKE_SOURCE_DIR}/frontend/standard.cmake
  VERBATIM)
target_sources(dlc_frontend PRIVATE ${generated}/standard.c)
