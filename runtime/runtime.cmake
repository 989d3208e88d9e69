# libdlrt: what a compiled model is linked with. C11 and POSIX; knows nothing of the compiler.
# Small before fast (-Os): the arithmetic is in the generated kernels.
file(GLOB runtime_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c)

# zlib's inflate is carried inside the archive, so that a model's program needs libc and libm alone:
# these members of the distribution's static library are taken over as they are (crc32.c: but one).
find_library(ZLIB_STATIC libz.a REQUIRED)
set(zlib_members adler32.o inffast.o inflate.o inftrees.o zutil.o)
set(zlib_folder ${CMAKE_BINARY_DIR}/zlib)
list(TRANSFORM zlib_members PREPEND ${zlib_folder}/ OUTPUT_VARIABLE zlib_objects)
file(MAKE_DIRECTORY ${zlib_folder})
add_custom_command(
  OUTPUT ${zlib_objects}
  COMMAND ${CMAKE_AR} x ${ZLIB_STATIC} ${zlib_members}
  WORKING_DIRECTORY ${zlib_folder}
  DEPENDS ${ZLIB_STATIC}
  COMMENT "Taking inflate from the distribution's zlib")
set_source_files_properties(${zlib_objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)

add_library(dlrt STATIC ${runtime_sources} ${zlib_objects})
set_target_properties(dlrt PROPERTIES C_STANDARD 11 POSITION_INDEPENDENT_CODE ON)
target_include_directories(dlrt PUBLIC ${CMAKE_SOURCE_DIR})
target_compile_options(dlrt PRIVATE -ffunction-sections -fdata-sections -fvisibility=hidden
                       "$<$<CONFIG:RelWithDebInfo,Release>:-Os;-g0;-fno-asynchronous-unwind-tables>")
target_link_libraries(dlrt PUBLIC m Threads::Threads)
