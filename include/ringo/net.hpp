#pragma once

/// Addresses and sockets.

#include <ringo/net/address.hpp>
#include <ringo/net/conn.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/net/from_fd.hpp>
#include <ringo/net/host_port.hpp>
#include <ringo/net/lookup.hpp>
#include <ringo/net/options.hpp>
#include <ringo/net/socket.hpp>
#include <ringo/net/tcp.hpp>
#include <ringo/net/udp.hpp>
#include <ringo/net/unix.hpp>
