# libdlrt: what a compiled model is linked with. C11 and POSIX; knows nothing of the compiler.
# Small before fast (-Oz): the arithmetic is in the generated kernels.
file(GLOB runtime_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c)

add_library(dlrt STATIC ${runtime_sources})

# zlib's inflateBack out of its archive, as one object: what is called has the names of zlib.h's Z_PREFIX,
# the rest is local, so that a host program may have a zlib of its own.
find_library(ZLIB_ARCHIVE libz.a REQUIRED)
set(zlib_folder ${CMAKE_BINARY_DIR}/zlib)
set(zlib_members infback.o inffast.o inftrees.o zutil.o)
foreach(name inflateBack inflateBackInit_ inflateBackEnd)
  list(APPEND zlib_names --redefine-sym ${name}=z_${name})
  list(APPEND zlib_kept --keep-global-symbol z_${name})
endforeach()
file(MAKE_DIRECTORY ${zlib_folder})
add_custom_command(
  OUTPUT ${zlib_folder}/zlib_inflate.o
  COMMAND ${CMAKE_AR} x ${ZLIB_ARCHIVE} ${zlib_members}
  COMMAND ${CMAKE_LINKER} -r -o whole.o ${zlib_members}
  COMMAND ${CMAKE_OBJCOPY} ${zlib_names} --remove-section .eh_frame whole.o named.o
  COMMAND ${CMAKE_OBJCOPY} ${zlib_kept} named.o zlib_inflate.o
  DEPENDS ${ZLIB_ARCHIVE}
  WORKING_DIRECTORY ${zlib_folder}
  VERBATIM)
set_source_files_properties(${zlib_folder}/zlib_inflate.o PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
target_sources(dlrt PRIVATE ${zlib_folder}/zlib_inflate.o)
set_property(SOURCE runtime/inflate.c PROPERTY COMPILE_DEFINITIONS Z_PREFIX)

set_target_properties(dlrt PROPERTIES C_STANDARD 11 POSITION_INDEPENDENT_CODE ON)
target_include_directories(dlrt PUBLIC ${CMAKE_SOURCE_DIR})
target_compile_options(dlrt PRIVATE -ffunction-sections -fdata-sections -fvisibility=hidden
                       "$<$<CONFIG:RelWithDebInfo,Release>:-Oz;-g0;-fno-asynchronous-unwind-tables;-fno-plt>")
# Every number of a data set passes through these.
set(fast_sources runtime/crc32.c runtime/element.c runtime/run.c runtime/encode.c runtime/split.c
                 runtime/tokens.c runtime/unicode.c)
set_source_files_properties(${fast_sources} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:RelWithDebInfo,Release>:-O2>")
if(CMAKE_C_COMPILER_ID STREQUAL GNU) # its -Oz still copies what is called twice, and heads of loops
  set(small_sources ${runtime_sources})
  list(TRANSFORM fast_sources PREPEND ${CMAKE_SOURCE_DIR}/)
  list(REMOVE_ITEM small_sources ${fast_sources})
  set_source_files_properties(${small_sources} PROPERTIES COMPILE_OPTIONS
    "$<$<CONFIG:RelWithDebInfo,Release>:-fno-inline-small-functions;-fno-tree-ch;-fno-tree-loop-im>")
endif()
target_link_libraries(dlrt PUBLIC m Threads::Threads)

install(TARGETS dlrt ARCHIVE DESTINATION lib/dlc) # where dlc looks, from its own place
install(FILES runtime/dlrt.h runtime/model.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlc/runtime)
