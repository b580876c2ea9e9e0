-- readme_test.lua: what README.md says beside its code blocks.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '../examples/?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local test = require 'test'

local root = example.absolute(here .. '../..') .. '/'

local function contents(path)
  local file <close> = assert(io.open(root .. path))
  return file:read('a')
end

local readme = contents('README.md')

test.case('its sections are in the agreed order', function()
  local sections = {}
  for title in readme:gmatch('\n## ([^\n]+)') do sections[#sections + 1] = title end
  test.equal(sections, { 'Two commands', 'An echo server', 'The API', 'How it works', 'A tour of the source',
    'Where user code may wait', 'C libraries that block', 'Known limits' })
end)

test.case('its first program has twelve lines', function()
  local program = readme:match('\n```lua\n(.-)\n```')
  test.equal(select(2, (program .. '\n'):gsub('\n', '')), 12)
end)

test.case('what it links to and what it names in the source is there', function()
  for _, file in ipairs { 'README.md', 'doc/guide.md', 'doc/reference.md', 'doc/runtime.md' } do
    local folder = file:match('^.*/') or ''
    for target in contents(file):gmatch('%]%(([^)#]+)[^)]*%)') do
      test.ok(os.execute(('test -e "%s"'):format(root .. folder .. target)), file .. ': ' .. target)
    end
  end
  local tour = readme:match('\n## A tour of the source\n(.-)\n## ')
  local folder
  for name in tour:gmatch('`([%w_/]+%.?%w*)`') do
    folder = name:match('^.*/') or folder
    if name:find('[./]') then
      local path = name:find('/') and name or folder .. name
      test.ok(os.execute(('test -e "%s"'):format(root .. path)), path)
    end
  end
end)

test.case('the table of places has 26 rows, and the totals are right', function()
  local section = readme:match('\n## Where user code may wait\n(.-)\n## ')
  local answers, places = {}, 0
  for row in section:gmatch('\n|([^\n]*)|') do
    local cells = {}
    for cell in (row .. '|'):gmatch(' *(.-) *|') do cells[#cells + 1] = cell end
    if cells[1] == '**total**' then
      for i = 2, #cells do
        test.equal(cells[i], ('**%d/%d**'):format(answers[i].yes, answers[i].asked))
      end
    elseif cells[1] ~= 'place' and not cells[1]:find('^%-') then
      places = places + 1
      for i = 2, #cells do
        answers[i] = answers[i] or { yes = 0, asked = 0 }
        if cells[i] == 'yes' then answers[i].yes = answers[i].yes + 1 end
        if cells[i] ~= 'n/a' then answers[i].asked = answers[i].asked + 1 end
      end
    end
  end
  test.equal(places, 26)
end)

test.finish()
