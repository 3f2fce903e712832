using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class SessionKeyMapping : IEntityTypeConfiguration<SessionKeyRow>
{
    public void Configure(EntityTypeBuilder<SessionKeyRow> builder) => builder.ToTable("session_keys").HasKey(k => k.Name);
}
