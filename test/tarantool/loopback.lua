-- loopback.lua: sockets to try things on, all on this machine and on ports that the system chooses.

local socket = require 'socket'

local loopback = {}

--- A TCP socket that listens on 127.0.0.1, and its port.
function loopback.listener(backlog)
  local listener = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  assert(listener:bind('127.0.0.1', 0))
  assert(listener:listen(backlog))
  return listener, listener:name().port
end

--- A client of a listener, connected, and the socket that the listener accepted for it.
function loopback.connect(listener)
  local client = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  client:sysconnect('127.0.0.1', listener:name().port)
  assert(client:writable(5) and listener:readable(5))
  local accepted = listener:accept()
  return client, assert(accepted)
end

-- The collector closes sockets, so a script that uses one end of a pair must not lose the other.
local pairs_made = {}

--- Two TCP sockets connected to each other.
function loopback.pair()
  local listener = loopback.listener()
  local client, accepted = loopback.connect(listener)
  listener:close()
  table.insert(pairs_made, { client, accepted })
  return client, accepted
end

--- A UDP socket bound to 127.0.0.1, and its port.
function loopback.udp()
  local bound = socket('AF_INET', 'SOCK_DGRAM', 'udp')
  assert(bound:bind('127.0.0.1', 0))
  return bound, bound:name().port
end

--- A path in the temporary directory at which nothing exists.
function loopback.path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

--- Two connected unix sockets, the first of which cannot send: its buffer is full. (A TCP socket's
--- buffer gets room again by itself, when what it sent is acknowledged.)
function loopback.full_pair()
  local path = loopback.path()
  local listener = socket('AF_UNIX', 'SOCK_STREAM', 0)
  assert(listener:bind('unix/', path) and listener:listen())
  local full = socket('AF_UNIX', 'SOCK_STREAM', 0)
  assert(full:sysconnect('unix/', path) and listener:readable(5))
  local peer = assert(listener:accept())
  listener:close()
  os.remove(path)
  while full:syswrite(string.rep('x', 65536)) do end
  table.insert(pairs_made, { full, peer })
  return full, peer
end

--- Takes everything that has arrived at a stream, without waiting. Returns the number of bytes.
function loopback.drain(s)
  local taken = 0
  while true do
    local data = s:sysread(65536)
    if data == nil or data == '' then return taken end
    taken = taken + #data
  end
end

return loopback
