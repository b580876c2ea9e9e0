-- net_getaddrinfo.lua: socket.getaddrinfo with numeric addresses and the names of this machine:
-- its argument forms, hints, rows and failures.
--
-- What it returns besides nil when it fails, and names that need a server, are left out.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local socket = require 'socket'
local errno = require 'errno'
local fiber = require 'fiber'

-- The rows of a result in one string, or nil and the error's name.
local function rows(result)
  if result == nil then return nil, t.errno(errno()) end
  local shown = {}
  for i, row in ipairs(result) do
    shown[i] = table.concat({
      row.family, row.host, string.format('%d', row.port), row.type, tostring(row.protocol),
    }, ' ')
  end
  return #result, table.concat(shown, '; ')
end

local tcp = { type = 'SOCK_STREAM' }

t.case('numeric hosts', function()
  t.check('IPv4', rows(socket.getaddrinfo('127.0.0.1', 80, tcp)))
  t.check('IPv6', rows(socket.getaddrinfo('::1', 80, tcp)))
  t.check('IPv6, long form', rows(socket.getaddrinfo('0:0:0:0:0:0:0:1', 80, tcp)))
  t.check('IPv4, short form', rows(socket.getaddrinfo('127.1', 80, tcp)))
  t.check('port in a string', rows(socket.getaddrinfo('127.0.0.1', '80', tcp)))
  t.check('port 0', rows(socket.getaddrinfo('127.0.0.1', 0, tcp)))
  t.check('no port', rows(socket.getaddrinfo('127.0.0.1', nil, tcp)))
  t.check('a service', rows(socket.getaddrinfo('127.0.0.1', 'http', tcp)))
  t.check('port is a number', type(socket.getaddrinfo('127.0.0.1', '80', tcp)[1].port))
  t.check('no canonname', socket.getaddrinfo('127.0.0.1', 80, tcp)[1].canonname)
end)

t.case('forms', function()
  t.check('without hints', rows(socket.getaddrinfo('127.0.0.1', 80)))
  t.check('a timeout', rows(socket.getaddrinfo('127.0.0.1', 80, 5)))
  t.check('a timeout and hints', rows(socket.getaddrinfo('127.0.0.1', 80, 5, tcp)))
  t.check('no timeout and hints', rows(socket.getaddrinfo('127.0.0.1', 80, nil, tcp)))
  t.check('empty hints', rows(socket.getaddrinfo('127.0.0.1', 80, {})))
end)

t.case('hints', function()
  local function hinted(hints) return rows(socket.getaddrinfo('127.0.0.1', 80, hints)) end
  t.check('type SOCK_DGRAM', hinted { type = 'SOCK_DGRAM' })
  t.check('type by number', hinted { type = 1 })
  t.check('protocol tcp', hinted { protocol = 'tcp' })
  t.check('protocol udp', hinted { protocol = 'udp' })
  t.check('protocol by number', hinted { protocol = 17 })
  t.check('family AF_INET', hinted { family = 'AF_INET', type = 'SOCK_STREAM' })
  t.check('family PF_INET', hinted { family = 'PF_INET', type = 'SOCK_STREAM' })
  t.check('family by number', hinted { family = 2, type = 'SOCK_STREAM' })
  t.check('a flag', hinted { flags = 'AI_NUMERICHOST', type = 'SOCK_STREAM' })
  t.check('flags', hinted { flags = { 'AI_NUMERICHOST', 'AI_PASSIVE' }, type = 'SOCK_STREAM' })
  t.check('unknown type', hinted { type = 'SOCK_NONE' })
  t.check('unknown family', hinted { family = 'AF_NONE' })
  t.check('unknown protocol', hinted { protocol = 'no-such-protocol' })
  t.check('unknown flag', hinted { flags = 'AI_NONE' })
  t.check('one unknown flag', hinted { flags = { 'AI_PASSIVE', 'AI_NONE' } })
  t.check('IPv6 wanted of IPv4', hinted { family = 'AF_INET6' })
  local canonical = { flags = 'AI_CANONNAME', type = 'SOCK_STREAM' }
  t.check('canonname', socket.getaddrinfo('127.0.0.1', 80, canonical)[1].canonname)
  for _, flag in ipairs {
    'PASSIVE', 'CANONNAME', 'NUMERICHOST', 'V4MAPPED', 'ALL', 'ADDRCONFIG', 'IDN', 'CANONIDN',
    'NUMERICSERV',
  } do
    t.check('flag AI_' .. flag, socket.internal.AI_FLAGS['AI_' .. flag])
  end
end)

t.case('no host', function()
  local inet = { family = 'AF_INET', type = 'SOCK_STREAM' }
  local passive = { family = 'AF_INET', type = 'SOCK_STREAM', flags = 'AI_PASSIVE' }
  t.check('host nil', rows(socket.getaddrinfo(nil, 80, inet)))
  t.check('host nil, passive', rows(socket.getaddrinfo(nil, 80, passive)))
  t.check('host empty', rows(socket.getaddrinfo('', 80, inet)))
  t.check('host empty, passive', rows(socket.getaddrinfo('', 80, passive)))
end)

t.case('failures', function()
  local numeric = { flags = 'AI_NUMERICHOST', type = 'SOCK_STREAM' }
  t.check('a name where an address is due', rows(socket.getaddrinfo('localhost', 80, numeric)))
  t.check('an unknown service', rows(socket.getaddrinfo('127.0.0.1', 'no-such-service', tcp)))
end)

t.case('use', function()
  local inet = { family = 'AF_INET', type = 'SOCK_STREAM' }
  local row = socket.getaddrinfo('localhost', 0, inet)[1]
  t.check('localhost', row.host, row.family)
  local listener = socket(row.family, row.type, row.protocol)
  t.check('bind to a row', listener:bind(row.host, row.port), listener:listen())
  row = socket.getaddrinfo('127.0.0.1', listener:name().port, tcp)[1]
  local client = socket(row.family, row.type, row.protocol)
  t.failed('connect to a row', client, client:sysconnect(row.host, row.port))
  t.check('connected', client:writable(5), client:peer().host)

  local others_ran = false
  fiber.new(function() others_ran = true end)
  socket.getaddrinfo('127.0.0.1', 80, tcp)
  t.check('others run meanwhile', others_ran)
end)

os.exit(0)
