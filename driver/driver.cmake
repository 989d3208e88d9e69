file(GLOB driver_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/driver/*.c)
add_executable(dlc ${driver_sources})
target_include_directories(dlc PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(dlc PRIVATE dlc_frontend dlc_passes dlc_backend dlc_ir dlc_support dlrt
                      PkgConfig::JANSSON)
install(TARGETS dlc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_SOURCE_DIR}/docs/man/dlc.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/frontend/std DESTINATION ${CMAKE_INSTALL_DATADIR}/dlc
        FILES_MATCHING PATTERN "*.dl")
