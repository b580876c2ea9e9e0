-- lua51_test.lua: the names of Lua 5.1.
package.path = (arg[0]:match('^.*/') or './') .. '../lua/?.lua;' .. package.path
local lua51 = require 'coir.compat.lua51'
local child = require 'child'
local test = require 'test'

test.case('requiring the module changes no global', function()
  test.equal({ unpack, loadstring, setfenv, getfenv, table.getn, string.gfind, math.mod }, {}) -- luacheck: ignore
end)

test.case('install puts the names into a table, and leaves the real libraries alone', function()
  local env = {}
  lua51.install(env)
  test.equal(env.unpack { 1, 2 }, 1)
  test.equal(env.table.getn { 1, 2, 3 }, 3)
  test.equal(env.table.concat { 'a', 'b' }, 'ab')
  test.equal(env.math.pow(2, 10), 1024)
  test.equal(env.math.mod(7, 3), 1)
  test.equal(env.math.mod(-7, 3), -1)
  test.equal(env.math.log10(1000) // 1, 3.0 // 1)
  test.equal({ rawget(table, 'getn'), rawget(math, 'mod'), rawget(string, 'gfind') }, {})
end)

test.case('install leaves what is there', function()
  local env = { unpack = 'mine', table = { getn = 'mine, too' } }
  lua51.install(env)
  test.equal({ env.unpack, env.table.getn }, { 'mine', 'mine, too' })
  test.equal(type(env.table.maxn), 'function')
end)

test.case('unpack takes a range', function()
  test.equal({ lua51.unpack({ 1, 2, 3, 4 }, 2, 3) }, { 2, 3 })
end)

test.case('gfind is gmatch', function()
  local env, words = {}, {}
  lua51.install(env)
  for word in env.string.gfind('one two', '%a+') do words[#words + 1] = word end
  test.equal(words, { 'one', 'two' })
end)

test.case('table.maxn, foreach and foreachi', function()
  local env, seen = {}, {}
  lua51.install(env)
  test.equal(env.table.maxn { [1] = 1, [5.5] = 1, [3] = 1, x = 1 }, 5.5)
  test.equal(env.table.maxn {}, 0)
  env.table.foreach({ a = 1 }, function(k, v) seen[k] = v end)
  test.equal(seen, { a = 1 })
  test.equal(env.table.foreachi({ 'a', 'b', 'c' }, function(i, v) if v == 'b' then return i end end), 2)
  test.equal(env.table.foreach({ a = 1 }, function(k) return k end), 'a')
end)

test.case('loadstring compiles, and says what is wrong', function()
  test.equal(lua51.loadstring('return 1 + 1')(), 2)
  local f, message = lua51.loadstring('return +', '=name')
  test.equal(f, nil)
  test.match(message, '^name:1:')
end)

test.case('setfenv gives a function other globals, and only that one', function()
  local function one() return name end -- luacheck: ignore
  local function two() return name end -- luacheck: ignore
  test.equal(lua51.setfenv(one, { name = 'mine' }), one)
  test.equal({ one(), two() }, { 'mine' })
  test.equal(lua51.getfenv(one).name, 'mine')
  test.ok(lua51.getfenv(two) == _G)
end)

test.case('setfenv with a level changes the function that runs there', function()
  local value = load([[
    local lua51, test = ...
    lua51.setfenv(1, { x = 'inside' })
    return x
  ]])(lua51)
  test.equal(value, 'inside')
  local function callee() lua51.setfenv(2, { x = 'from the callee' }) end
  local f = load('local callee = ... callee() return x')
  test.equal(f(callee), 'from the callee')
end)

test.case('getfenv with a level, and without one', function()
  test.ok(lua51.getfenv() == _G)
  test.ok(lua51.getfenv(0) == _G)
  test.ok(lua51.getfenv(1) == _G)
  test.equal(load([[local getfenv = ... local env = getfenv(1) return env]], 'c', 't', { mine = true })(lua51.getfenv), { mine = true })
end)

test.case('a function that uses no global has nothing to set', function()
  local function pure(x) return x end
  test.equal(lua51.setfenv(pure, {}), pure)
  test.ok(lua51.getfenv(pure) == _G)
  test.ok(lua51.getfenv(print) == _G)
end)

test.case('what setfenv and getfenv refuse', function()
  test.raises('table expected', lua51.setfenv, function() end, 1)
  test.raises('cannot change environment', lua51.setfenv, print, {})
  test.raises('cannot change environment', lua51.setfenv, 0, {})
  test.raises('invalid level', lua51.setfenv, 1000, {})
  test.raises('invalid level', lua51.getfenv, 1000)
  test.raises('bad argument #1', lua51.getfenv, {})
  test.raises('bad argument #1', lua51.getfenv, -1)
  test.raises('bad argument #1', lua51.setfenv, 'x', {})
end)

test.case('coir -l coir.compat.lua51 runs an old script', function()
  local result = child.run([[
    local function sum(...) local s = 0 for i = 1, table.getn(arg_of(...)) do s = s + select(i, ...) end return s end
    function arg_of(...) return {...} end
    print(sum(1, 2, 3), unpack({ 'a', 'b' }))
    for w in string.gfind('x y', '%a') do io.write(w, ';') end
    for w in ('x y'):gfind('%a') do io.write(w, ';') end
    print(loadstring('return ...')('loaded'), math.pow(2, 3) == 8, ('text').length)
    setfenv(1, { print = print })
    print(table)
  ]], '-l', 'coir.compat.lua51')
  test.equal(result.err, '')
  test.equal(result.out, '6\ta\tb\nx;y;x;y;loaded\ttrue\tnil\nnil\n')
end)

test.finish()
