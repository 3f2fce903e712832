using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Storage;

/// <summary>The whole model. Each entity's mapping is one <c>IEntityTypeConfiguration</c> in <c>Storage/Mappings</c>; names are snake_case.</summary>
internal sealed class IncidentsDbContext(DbContextOptions<IncidentsDbContext> options) : DbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder) =>
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(IncidentsDbContext).Assembly);
}
