--- loopback.lua: connected sockets for the tests.
local socket = require 'socket'

local loopback = {}

--- A listening TCP socket on a free port of this machine, and the port.
function loopback.listener(host)
  local s = assert(socket(host == '::1' and 'AF_INET6' or 'AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:bind(host or '127.0.0.1', 0))
  assert(s:listen())
  return s, s:name().port
end

--- Two ends of a TCP connection.
function loopback.pair(host)
  local listener, port = loopback.listener(host)
  local client = assert(socket(host == '::1' and 'AF_INET6' or 'AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(client:sysconnect(host or '127.0.0.1', port))
  local server = assert(listener:accept())
  listener:close()
  return client, server
end

--- Two ends of a Unix socket pair.
function loopback.unix_pair(type)
  return assert(socket.socketpair('AF_UNIX', type or 'SOCK_STREAM', 0))
end

--- Fills what the kernel takes from `s`. Returns the number of bytes.
function loopback.fill(s)
  local mode = s:nonblock()
  s:nonblock(true)
  local total, piece = 0, ('x'):rep(65536)
  while true do
    local n = s:syswrite(piece)
    if n then
      total = total + n
    elseif #piece > 1 then
      piece = piece:sub(1, #piece // 2)
    else
      break
    end
  end
  s:nonblock(mode)
  return total
end

--- A TCP pair whose first end cannot send any more, and the number of bytes under way.
function loopback.full_pair()
  local a, b = loopback.pair()
  return a, b, loopback.fill(a)
end

--- A UDP socket bound to a free port of this machine, and the port.
function loopback.datagram(host)
  local s = assert(socket(host == '::1' and 'AF_INET6' or 'AF_INET', 'SOCK_DGRAM', 'udp'))
  assert(s:bind(host or '127.0.0.1', 0))
  return s, s:name().port
end

--- A path at which there is nothing yet, and a value whose scope's end removes the file.
function loopback.free_path()
  local path = os.tmpname()
  os.remove(path)
  return path, setmetatable({}, { __close = function() os.remove(path) end })
end

function loopback.exists(path) return os.rename(path, path) ~= nil end

return loopback
