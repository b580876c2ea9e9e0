-- address.lua: TCP sockets and their addresses: bind, listen, sysconnect, accept, name, peer,
-- shutdown and tostring, over IPv4 and IPv6.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'

local function tcp(domain)
  return socket(domain or 'AF_INET', 'SOCK_STREAM', 'tcp')
end

-- The fields of a `name`, `peer` or `from` table, with the port only as chosen or not.
local function fields(address)
  if address == nil then return nil end
  return address.host, address.port > 0, address.family, address.type, address.protocol
end

t.case('bind', function()
  local s = tcp()
  t.check('bind', s:bind('127.0.0.1', 0))
  t.check('the system chose a port', fields(s:name()))
  t.failed('bind again', s, s:bind('127.0.0.1', 0))
  s:listen()
  local port = s:name().port
  local other = tcp()
  t.failed('bind to a port that is taken', other, other:bind('127.0.0.1', port))
  t.check('bind after a failure', other:bind('127.0.0.1', 0), other:errno())

  s = tcp()
  t.check('bind without a port', s:bind('127.0.0.1'), s:name().port > 0)
  s = tcp()
  t.check('bind, port in a string', s:bind('127.0.0.1', '0'), s:name().port > 0)
  s = tcp()
  t.check('bind to host 0', s:bind(0, 0), s:name().host)
  s = tcp()
  t.check('bind to host 0, no port', s:bind(0), s:name().host)
  s = tcp()
  t.check("bind to host '0'", s:bind('0', 0), s:name().host)
  s = tcp()
  t.check('bind to all', s:bind('0.0.0.0', 0), s:name().host)
  s = tcp()
  t.check('bind to a short form', s:bind('127.1', 0), s:name().host)
  s = tcp()
  t.failed('bind to a name', s, s:bind('localhost', 0))
  t.failed('bind to nothing', s, s:bind('', 0))
  t.failed('bind to nil', s, s:bind(nil, 0))
  t.failed('bind to an address of others', s, s:bind('192.0.2.1', 0))
  t.failed('bind an IPv4 socket to an IPv6 address', s, s:bind('::1', 0))
end)

t.case('listen', function()
  local s = tcp()
  t.failed('accept before listen', s, s:accept())
  t.check('listen unbound', s:listen())
  t.check('it has a port then', fields(s:name()))
  s = tcp()
  s:bind('127.0.0.1', 0)
  t.check('listen with a backlog', s:listen(5))
  t.check('listen again', s:listen(10))
  t.check('it listens', s:getsockopt('SOL_SOCKET', 'SO_ACCEPTCONN'))
  t.failed('nobody there', s, s:accept())
  t.check('text of nobody there', s:error())
  local a = loopback.pair()
  t.failed('listen on a connected socket', a, a:listen())
end)

t.case('connect and accept', function()
  local listener, port = loopback.listener()
  local client = tcp()
  t.failed('sysconnect in progress', client, client:sysconnect('127.0.0.1', port))
  t.check('the client becomes writable', client:writable(5))
  t.check('no pending error', client:getsockopt('SOL_SOCKET', 'SO_ERROR'))
  t.check('the listener becomes readable', listener:readable(5))
  local accepted, from = listener:accept()
  t.check('accept', accepted ~= nil, listener:errno())
  t.check('from', from.host, from.family)
  t.check('from is the client', from.port == client:name().port)
  t.check('from says no more', from.type, from.protocol)
  t.check('the accepted socket does not block', accepted:nonblock())
  t.check('the listener goes on', (listener:accept()), t.errno(listener:errno()))

  t.check('name of the client', fields(client:name()))
  t.check('peer of the client', fields(client:peer()))
  t.check('peer of the client is the listener', client:peer().port == port)
  t.check('name of the accepted socket', fields(accepted:name()))
  t.check('name of the accepted socket is the listener', accepted:name().port == port)
  t.check('peer of the accepted socket', fields(accepted:peer()))
  t.check('peer of the accepted socket is the client', accepted:peer().port == from.port)
  t.failed('a listener has no peer', listener, listener:peer())
  t.check('name as a string', tostring(client:peer()) == '127.0.0.1:' .. port)
  local text = tostring(client):gsub('fd %d+', 'fd N'):gsub(':%d+', ':PORT')
  t.check('client as a string', text)
  text = tostring(listener):gsub('fd %d+', 'fd N'):gsub(':%d+', ':PORT')
  t.check('listener as a string', text)

  client:sysconnect('127.0.0.1', port) -- the system reports the good end of the first call here
  t.failed('sysconnect when connected', client, client:sysconnect('127.0.0.1', port))
end)

t.case('sysconnect', function()
  local listener, port = loopback.listener()
  local s = tcp()
  t.failed('sysconnect, short form', s, s:sysconnect('127.1', port))
  t.check('sysconnect, short form, peer', s:writable(5), s:peer().host)
  s = tcp()
  t.failed('sysconnect, port in a string', s, s:sysconnect('127.0.0.1', tostring(port)))
  t.check('sysconnect, port in a string, peer', s:writable(5), s:peer().port == port)
  s = tcp()
  t.failed('sysconnect to host 0', s, s:sysconnect(0, port))
  t.check('sysconnect to host 0, peer', s:writable(5), s:peer().host)

  s = tcp()
  t.failed('sysconnect to a name', s, s:sysconnect('localhost', port))
  t.failed('sysconnect to nil', s, s:sysconnect(nil, port))
  t.failed('sysconnect to an IPv6 address', s, s:sysconnect('::1', port))

  listener:close()
  s = tcp()
  t.failed('sysconnect to a closed port', s, s:sysconnect('127.0.0.1', port))
  t.check('refusal makes it writable', s:writable(5))
  t.check('pending error', t.errno(s:getsockopt('SOL_SOCKET', 'SO_ERROR')))
  t.check('pending error is told once', t.errno(s:getsockopt('SOL_SOCKET', 'SO_ERROR')))
  t.failed('a refused socket has no peer', s, s:peer())
  s = tcp()
  s:sysconnect('127.0.0.1') -- port 0, at which nobody can listen
  t.check('sysconnect without a port', s:writable(5))
  t.check('sysconnect without a port, error', t.errno(s:getsockopt('SOL_SOCKET', 'SO_ERROR')))
end)

t.case('IPv6', function()
  local listener = tcp('AF_INET6')
  t.check('IPv6 bind', listener:bind('::1', 0))
  t.check('IPv6 listen', listener:listen())
  t.check('IPv6 name', fields(listener:name()))
  local client = tcp('AF_INET6')
  t.failed('IPv6 sysconnect', client, client:sysconnect('::1', listener:name().port))
  t.check('IPv6 connected', client:writable(5), listener:readable(5))
  local accepted, from = listener:accept()
  t.check('IPv6 from', from.host, from.port == client:name().port, from.family)
  t.check('IPv6 peer', fields(accepted:peer()))
  local text = tostring(client):gsub('fd %d+', 'fd N'):gsub(':%d+$', ':PORT')
  -- coir puts brackets around IPv6 addresses, so that the port can be told from them.
  t.check('IPv6 as a string', (text:gsub('[][]', ''):gsub(':%d+, peer', ':PORT, peer')))
  local all = tcp('AF_INET6')
  t.check('IPv6 bind to all', all:bind('::', 0), all:name().host)
end)

-- Shuts one end of a pair down; tells what that returned, what the other end can then read (`''` is
-- the end of the stream), and what this end can still write.
local function after_shutdown(how)
  local a, b = loopback.pair()
  local done = a:shutdown(how)
  local ended = b:readable(0.1) and b:sysread(10)
  local written = a:syswrite('x')
  return done, ended, written or t.errno(a:errno())
end

t.case('shutdown', function()
  for _, how in ipairs {
    'R', 'READ', 'receive', 0, 'W', 'WRITE', 'send', 1, 'RW', 'READ_WRITE', 'both', 2,
  } do
    t.check('shutdown ' .. how, after_shutdown(how))
  end
  local a = loopback.pair()
  a:shutdown('R')
  t.check('reading after shutdown R', a:sysread(10))
  local s = tcp()
  t.failed('shutdown of an unconnected socket', s, s:shutdown('RW'))
end)

t.case('close', function()
  local a, b = loopback.pair()
  t.check('close', a:close())
  t.check('the peer sees the end', b:readable(5), b:sysread(10), b:errno())

  local function drop_one_end()
    local _, kept = loopback.connect(loopback.listener())
    return kept
  end
  local kept = drop_one_end()
  collectgarbage()
  collectgarbage()
  t.check('the collector closes', kept:readable(5), kept:sysread(10))
end)

os.exit(0)
