-- chat_server_test.lua: a room full of guests, polite and otherwise.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local socket = require 'socket'
local test = require 'test'

local function connect(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:sysconnect('127.0.0.1', port, 10))
  return s
end

local function hears(s, line) test.equal(s:readline('\n', 10), line .. '\n') end

--- A guest who has said their name; `present` is who is there then.
local function join(port, name, present)
  local s = connect(port)
  test.equal(s:read('? ', 10), 'Your name? ')
  s:write(name .. '\n')
  hears(s, 'here: ' .. present)
  return s
end

example.server_cases('chat_server.lua', 7001)

test.case('what one says all others read', function()
  local server <close>, port = example.server('chat_server.lua')
  local ann = join(port, 'ann', 'ann')
  local bob = join(port, 'bob', 'ann, bob')
  hears(ann, 'bob joins')
  local cid = join(port, 'cid', 'ann, bob, cid')
  hears(ann, 'cid joins')
  hears(bob, 'cid joins')
  bob:write('hello\r\n')
  hears(ann, 'bob: hello')
  hears(cid, 'bob: hello')
  cid:write('/who\n')
  hears(cid, 'here: ann, bob, cid')
  bob:write('/quit\n')
  test.equal(bob:read(nil, 10), '')
  hears(ann, 'bob leaves')
  hears(cid, 'bob leaves')
  ann:close()
  hears(cid, 'ann leaves')
  test.equal(server:err(), '')
end)

test.case('a name is checked, and can be used once', function()
  local server <close>, port = example.server('chat_server.lua')
  local ann = join(port, 'ann', 'ann')
  local guest <close> = connect(port)
  guest:write('no spaces please\nann\n' .. ('x'):rep(21) .. '\nzoe\n')
  test.equal(guest:read('? ', 10), 'Your name? ')
  test.equal(guest:read('? ', 10), 'Letters, digits, _ and -, at most 20. Your name? ')
  test.equal(guest:read('? ', 10), 'Somebody has that name. Your name? ')
  test.equal(guest:read('? ', 10), 'Letters, digits, _ and -, at most 20. Your name? ')
  hears(guest, 'here: ann, zoe')
  hears(ann, 'zoe joins')
end)

test.case('a guest who leaves before saying a name was never there', function()
  local server <close>, port = example.server('chat_server.lua')
  local ann = join(port, 'ann', 'ann')
  connect(port):close()
  ann:write('/who\n')
  hears(ann, 'here: ann')
end)

test.case('a line that is too long ends a guest\'s visit', function()
  local server <close>, port = example.server('chat_server.lua')
  local ann = join(port, 'ann', 'ann')
  local bob = join(port, 'bob', 'ann, bob')
  hears(ann, 'bob joins')
  bob:write(('x'):rep(2000))
  hears(ann, 'bob leaves')
end)

test.case('a guest who does not read delays nobody', function()
  local server <close>, port = example.server('chat_server.lua')
  local idle = connect(port)
  idle:setsockopt('SOL_SOCKET', 'SO_RCVBUF', 4096)
  idle:write('idle\n')
  test.equal(idle:readline('\n', 10), 'Your name? here: idle\n')
  local ann, bob = join(port, 'ann', 'ann, idle'), join(port, 'bob', 'ann, bob, idle')
  hears(ann, 'bob joins')
  local line = ('x'):rep(900)
  for _ = 1, 3000 do
    ann:write(line .. '\n')
    hears(bob, 'ann: ' .. line)
  end
end)

test.case('a guest whose connection is reset has left', function()
  local server <close>, port = example.server('chat_server.lua')
  local ann = join(port, 'ann', 'ann')
  local bob = join(port, 'bob', 'ann, bob')
  hears(ann, 'bob joins')
  bob:linger(true, 0)
  bob:close()
  hears(ann, 'bob leaves')
  test.equal(server:err(), '')
end)

test.finish()
