using Incidents.Server.OnCall;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class OverrideMapping : IEntityTypeConfiguration<OverrideRow>
{
    public void Configure(EntityTypeBuilder<OverrideRow> builder)
    {
        builder.ToTable("on_call_overrides").HasKey(o => o.Id);
        builder.Property(o => o.Id).ValueGeneratedNever();
        builder.HasIndex(o => o.EndsAt);
    }
}
