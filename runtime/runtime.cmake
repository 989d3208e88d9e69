# libdlrt: what a compiled model is linked with. C11 and POSIX; knows nothing of the compiler.
# Small before fast (-Os): the arithmetic is in the generated kernels.
file(GLOB runtime_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c)

add_library(dlrt STATIC ${runtime_sources})
set_target_properties(dlrt PROPERTIES C_STANDARD 11 POSITION_INDEPENDENT_CODE ON)
target_include_directories(dlrt PUBLIC ${CMAKE_SOURCE_DIR})
target_compile_options(dlrt PRIVATE -ffunction-sections -fdata-sections -fvisibility=hidden
                       "$<$<CONFIG:RelWithDebInfo,Release>:-Os;-g0;-fno-asynchronous-unwind-tables>")
# Every number of a data set passes through these.
set_source_files_properties(runtime/inflate.c runtime/crc32.c runtime/element.c runtime/run.c
                            PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:RelWithDebInfo,Release>:-O2>")
target_link_libraries(dlrt PUBLIC m Threads::Threads)

install(TARGETS dlrt ARCHIVE DESTINATION lib/dlc) # where dlc looks, from its own place
install(FILES runtime/dlrt.h runtime/model.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlc/runtime)
