-- select.lua: which of many is ready.
local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local socket = require 'socket'

--- Names for objects, so that lists of them can be shown.
local names = {}

local function list(objects)
  local shown = {}
  for i, object in ipairs(objects) do shown[i] = names[object] or '?' end
  for object, place in pairs(objects) do
    if type(object) ~= 'number' then shown[#shown + 1] = ('%s at %s'):format(names[object],
      place) end
  end
  table.sort(shown, #objects + 1 <= #shown and function(a, b) return a < b end or nil)
  return table.concat(shown, ' ')
end

local function check(label, readable, writable, problem, ...)
  t.check(label, list(readable), list(writable), problem, ...)
end

t.case('readers', function()
  local a, b = t.pair()
  local c, d = t.pair()
  names[a], names[b], names[c], names[d] = 'a', 'b', 'c', 'd'
  check('nobody', socket.select({ b, d }, nil, 0))
  check('nobody, after a while', socket.select({ b, d }, {}, 0.02))
  a:send('one\ntwo\n')
  t.await(b)
  check('one', socket.select({ b, d }, nil, 5))
  t.check('the number of results', select('#', socket.select({ b, d }, nil, 5)))
  c:send('x')
  t.await(d)
  check('both', socket.select({ d, b }, nil, 5))
  check('the same twice', socket.select({ b, b }, nil, 5))
  b:receive()
  check('one is dirty', socket.select({ d, b }, nil, 5))
  d:receive(1)
  check('only one, and dirty', socket.select({ d, b }, nil, 5))
  check('dirty, with writers', socket.select({ b }, { a, c }, 5))
  b:receive()
  check('clean again', socket.select({ b, d }, nil, 0))
  a:close()
  t.await(b)
  check('at the end', socket.select({ b, d }, nil, 5))
  b:close()
  check('closed ones are passed over', socket.select({ a, b, d }, nil, 0))
  check('only closed ones', socket.select({ a, b }, nil, 0))
  c:send('y')
  check('a gap ends the list', socket.select({ d, nil, b }, nil, 5))
end)

t.case('writers', function()
  local a, b = t.pair()
  names[a], names[b] = 'a', 'b'
  check('writable', socket.select(nil, { a, b }, 5))
  check('readable and writable', socket.select({ a, b }, { a, b }, 5))
  a:settimeout(0.02)
  repeat until not a:send(('x'):rep(65536))
  check('full', socket.select(nil, { a }, 0))
  check('full, and the other', socket.select(nil, { a, b }, 5))
  check('full one side, full the other', socket.select({ b }, { a }, 5))
  b:settimeout(0)
  repeat until select(2, b:receive(65536)) == 'timeout'
  check('room again', socket.select(nil, { a }, 5))
end)

t.case('servers and datagrams', function()
  local server, port = t.server()
  names[server] = 'server'
  check('a server, nobody there', socket.select({ server }, nil, 0))
  local client = socket.connect('127.0.0.1', port)
  names[client] = 'client'
  check('a server, somebody there', socket.select({ server, client }, nil, 5))
  local u = socket.udp4()
  names[u] = 'udp'
  u:setsockname('127.0.0.1', 0)
  check('no datagram', socket.select({ u }, nil, 0))
  socket.udp4():sendto('x', '127.0.0.1', (select(2, u:getsockname())))
  check('a datagram', socket.select({ u }, nil, 5))
end)

t.case('others', function()
  local a, b = t.pair()
  a:send('x')
  local mine = { getfd = function() return b:getfd() end }
  names[mine] = 'mine'
  check('anything with getfd', socket.select({ mine }, nil, 5))
  check('to write', socket.select(nil, { mine }, 5))
  local dirty = { getfd = function() return a:getfd() end, dirty = function() return true end }
  names[dirty] = 'dirty'
  check('anything with dirty', socket.select({ dirty, mine }, nil, 5))
  check('without a number', socket.select({ { getfd = function() return nil end }, mine }, nil, 5))
  check('with a negative one', socket.select({ { getfd = function() return -1 end }, mine }, nil,
    5))
  check('without getfd', socket.select({ {}, mine }, nil, 5))
  local source = socket.source('until-closed', b)
  names[source] = 'source'
  check('a source', socket.select({ source }, nil, 5))
  check('nothing at all', socket.select(nil, nil, 0))
  check('empty lists', socket.select({}, {}, 0.01))
  check('without a timeout', socket.select({ mine }))
  check('a negative timeout', socket.select({ mine }, nil, -1))
  t.raises('no list', function() socket.select(1) end)
  t.raises('no list of writers', function() socket.select(nil, 'x') end)
  t.raises('no number', function() socket.select(nil, nil, 'soon') end)
  local gone = b:getfd()
  b:close()
  t.raises('a number that is not open',
    function() socket.select({ { getfd = function() return gone end } }, nil, 0) end)
end)

os.exit(0)
