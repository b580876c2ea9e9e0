-- blocks_test.lua: runs every code block of a Markdown file.
--
--     coir test/readme/blocks_test.lua FILE
--
-- ```lua          a script; it must end with status 0 and an empty standard error
-- ```lua server   a server: it is started, and stopped after the script that follows
-- ```lua fails    a script that ends with another status
-- ```sh           commands, run in the project's folder with `coir` on PATH; of ./dev only that it has the command
-- ```cpp          must be in one of examples/*.cpp, which are compiled
-- ```text         what the block before prints; of one that fails also to standard error
--
-- A script's first argument is a free port, the same for all of a file, so that servers can be found.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../examples/?.lua;' .. here .. '../lua/?.lua;' .. package.path
local blocks = require 'blocks'
local example = require 'example'
local loopback = require 'loopback'
local test = require 'test'

local root = example.absolute(here .. '../..')
local path = assert(arg[1], 'which file?')
local list = blocks.read(path)

-- -- Running ------------------------------------------------------------------------------------------

local function capture(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read('a'):gsub('\n$', ''))
end

--- A folder with the blocks as scripts, and with a link `coir` to the program.
local place = capture('mktemp -d')
assert(os.execute(('ln -s "%s" "%s/coir"'):format(example.absolute(example.program), place)))

local function save(block)
  local name = ('%s/block_%d.%s'):format(place, block.line, block.language)
  local file <close> = assert(io.open(name, 'w'))
  file:write(block.text)
  return name
end

local function free_port()
  local listener, port = loopback.listener()
  listener:close()
  return port
end

local port = free_port()

local function start(block)
  if block.language == 'lua' then return example.start(place .. '/coir', save(block), port) end
  return example.start('sh', '-c', 'cd "$0" && PATH="$1:$PATH" && exec sh -e "$2"', root, place, save(block))
end

--- Messages name the script by its path; in the documentation it is called script.lua.
local function anonymous(text)
  return (text:gsub(place:gsub('%p', '%%%0') .. '/block_%d+', 'script'):gsub(place:gsub('%p', '%%%0') .. '/coir', 'coir'))
end

local function check_run(block, expected)
  local run <close> = start(block)
  local status, out, err = run:wait()
  if block.mark == 'fails' then
    test.ok(status ~= 0, 'it did not fail')
    out = anonymous(out .. err)
  else
    test.equal({ status = status, err = err }, { status = 0, err = '' })
  end
  if expected then test.equal(out, expected.text) end
end

--- The commands that `./dev` says it has.
local function dev_commands()
  local commands = {}
  for name in capture(('"%s/dev"'):format(root)):gmatch('\n  (%w+) ') do commands[name] = true end
  return commands
end

local function check_dev(block)
  local commands = dev_commands()
  for line in block.text:gmatch('[^\n]+') do
    test.ok(commands[line:match('^%./dev (%w+)$')], line .. ' is none of the commands of ./dev')
  end
end

-- -- C++ ----------------------------------------------------------------------------------------------

--- Lines without their indentation and without empty ones, each ended by a newline.
local function plain_lines(text)
  return ('\n' .. text):gsub('\n%s+', '\n'):gsub('^\n', '')
end

local function check_excerpt(block)
  local wanted = plain_lines(block.text)
  for file in capture(('ls "%s"/examples/*.cpp'):format(root)):gmatch('[^\n]+') do
    local source <close> = assert(io.open(file))
    if ('\n' .. plain_lines(source:read('a'))):find('\n' .. wanted, 1, true) then return end
  end
  error('it is in none of examples/*.cpp')
end

-- -- All blocks ---------------------------------------------------------------------------------------

local checks = {
  lua = check_run,
  sh = function(block, expected)
    if block.text:find('^%./dev ') then return check_dev(block) end
    return check_run(block, expected)
  end,
  cpp = check_excerpt,
}

--- The server that was started last; the port is in use until it has ended.
local server

local function start_server(block)
  server = start(block)
  server:expect(':' .. port .. '\n')
end

local function stop_server()
  if server then server:stop() end
  server = nil
end

for i, block in ipairs(list) do
  local following = list[i + 1]
  local expected = following and following.language == 'text' and following or nil
  local is_output = block.language == 'text' and i > 1 and list[i - 1].language ~= 'text'
  if not is_output then
    test.case(('the block at line %d (%s %s)'):format(block.line, block.language, block.mark), function()
      if block.mark == 'server' then return start_server(block) end
      local check = checks[block.language]
      if not check then error('nothing is known about the language ' .. block.language) end
      check(block, expected)
    end)
    if block.mark ~= 'server' then stop_server() end
  end
end

test.case('there are blocks', function() test.ok(#list > 0) end)

stop_server()
os.execute(('rm -rf "%s"'):format(place))
test.finish()
